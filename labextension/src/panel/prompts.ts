/** The section with the saved prompts: each opens to its text, can be inserted and deleted. */

import { button, errorMessage, h, statusNote } from '../app/dom';
import { joined } from '../app/text';
import type { ISavedPrompt, IState } from '../kernel/protocol';
import { type IPanelHost, type ISection, stateKey } from './host';

const DELETE = 'Delete';

export class PromptsSection implements ISection {
  readonly title = 'Saved prompts';
  readonly node: HTMLElement;
  private readonly message = statusNote();
  private readonly list = h('ul', { class: 'cc-found', 'aria-label': 'Saved prompts' });
  private host: IPanelHost | null = null;

  constructor() {
    const refresh = button('Refresh', 'Reads the saved prompts again', () => {
      if (this.host) {
        void this.refresh(this.host).catch(this.fail);
      }
    });
    this.node = h('div', {}, this.list, h('div', { class: 'cc-bar' }, refresh), this.message);
  }

  version(state: IState): string {
    return stateKey(state);
  }

  async refresh(host: IPanelHost): Promise<void> {
    this.host = host;
    const { prompts } = await host.request('list_prompts', {});
    const open = new Set(this.openNames());
    this.list.replaceChildren(...prompts.map(each => this.item(each, open.has(each.name))));
    this.list.hidden = prompts.length === 0;
    this.message.textContent =
      prompts.length === 0 ? 'Nothing saved yet. %cmd save NAME saves the last prompt.' : '';
  }

  private openNames(): string[] {
    const open = this.list.querySelectorAll<HTMLElement>('details[open]');
    return [...open].map(each => each.dataset.name ?? '');
  }

  private item(prompt: ISavedPrompt, open: boolean): HTMLElement {
    const { name, text, problem } = prompt;
    const insert = button(
      'Insert as cell',
      'Inserts a cell that sends it, below the active cell, without running it',
      () => {
        this.host?.insert(`%%cmd @${name}\n`);
      }
    );
    insert.disabled = problem !== null;
    const remove = button(DELETE, 'Deletes its file; asks once more', () => {
      if (remove.textContent === DELETE) {
        remove.textContent = 'Delete for good';
      } else {
        void this.remove(name);
      }
    });
    const details = h(
      'details',
      { open, 'data-name': name },
      h('summary', {}, `@${name}`),
      problem === null
        ? h('pre', { class: 'cc-snippet' }, text)
        : h('div', { class: 'cc-note' }, `Cannot be used: ${problem}`),
      h('div', { class: 'cc-line-details' }, summaryOf(prompt))
    );
    return h('li', {}, details, insert, remove);
  }

  private async remove(name: string): Promise<void> {
    const { host } = this;
    if (!host) {
      return;
    }
    try {
      const { said } = await host.request('remove_prompt', { name });
      await this.refresh(host);
      this.message.textContent = said;
    } catch (error) {
      this.fail(error);
    }
  }

  private readonly fail = (error: unknown): void => {
    this.message.textContent = errorMessage(error);
  };
}

/** Return what a prompt needs, its options and its cost, on one line. */
export function summaryOf({ is_project, needs, options, cost }: ISavedPrompt): string {
  const needed = needs.length > 0 ? `needs ${needs.join(', ')}` : '';
  return joined(is_project ? 'of the project' : '', needed, options, cost);
}
