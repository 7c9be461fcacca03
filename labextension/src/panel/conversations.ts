/** The section with the tree of conversations and the actions on the selected line. */

import { button, errorMessage, h, statusNote } from '../app/dom';
import type { IState, ITree } from '../kernel/protocol';
import { type IPanelHost, type ISection, stateKey } from './host';
import { ConversationTree } from './tree';
import { type ITreeRow, withStale } from './treeRows';

export class ConversationsSection implements ISection {
  readonly title = 'Conversations';
  readonly node: HTMLElement;
  private readonly tree: ConversationTree;
  private readonly goToButton = button('Go to cell', '', () => {
    this.goTo();
  });
  private readonly forkButton = button('Fork from here…', '', () => void this.fork());
  private readonly continueButton = button(
    'Continue conversation',
    'Cells without --thread will continue this conversation',
    () => void this.continue()
  );
  private readonly message = statusNote();
  private readonly empty = h('div', { class: 'cc-note' }, 'No prompts yet.');
  private readonly bar: HTMLElement;
  private row: ITreeRow | null = null;
  private host: IPanelHost | null = null;
  private cells: IState['cells'] = {};
  private shown = '';
  private currentThread = '';

  constructor() {
    this.tree = new ConversationTree({
      select: row => {
        this.select(row);
      },
      enter: () => {
        this.goTo();
      }
    });
    this.bar = h(
      'div',
      { class: 'cc-bar', role: 'toolbar', 'aria-label': 'The selected turn' },
      this.goToButton,
      this.forkButton,
      this.continueButton
    );
    this.node = h('div', {}, this.tree.node, this.empty, this.bar, this.message);
    this.select(null);
  }

  version(state: IState): string {
    return stateKey(state);
  }

  async refresh(host: IPanelHost, { cells }: Pick<IState, 'cells'>): Promise<void> {
    this.cells = cells;
    const tree = withStale(await host.request('get_tree', { notebook: host.notebook }), cells);
    if (host.notebook !== this.host?.notebook) {
      this.message.textContent = '';
    }
    this.host = host;
    const text = JSON.stringify(tree);
    if (text !== this.shown) {
      this.shown = text;
      this.show(tree);
    }
  }

  private show(tree: ITree): void {
    this.currentThread = tree.current;
    this.tree.show(tree);
    const hasTurns = tree.threads.some(({ turns }) => turns.length > 0);
    this.tree.node.hidden = this.bar.hidden = !hasTurns;
    this.empty.hidden = hasTurns;
  }

  private select(row: ITreeRow | null): void {
    this.row = row;
    this.goToButton.disabled = !row?.turn?.cell_id;
    this.forkButton.disabled = !row?.turn || !row.thread.live;
    this.forkButton.title =
      row?.turn && !row.thread.live
        ? 'This conversation is in the history: continue it first'
        : 'Start a new conversation that shares everything up to this turn';
    this.continueButton.disabled =
      !row || (row.thread.live && row.thread.name === this.currentThread);
  }

  private goTo(): void {
    const cell = this.row?.turn?.cell_id;
    if (cell && this.host) {
      this.message.textContent = this.host.goTo(cell)
        ? ''
        : 'This cell is no longer in the notebook.';
    }
  }

  private async fork(): Promise<void> {
    const { row, host } = this;
    if (!row?.turn || !host) {
      return;
    }
    const { thread, turn } = row;
    const title = `Fork ${thread.name} after turn ${turn.turn}`;
    const name = await host.askName(title, `${thread.name}-${turn.turn}`);
    if (name) {
      await this.perform(host, async () => {
        await host.request('fork', { thread: thread.name, turn: turn.turn, name });
        await host.request('set_thread', { thread: name });
        return `${name} continues after turn ${turn.turn} of ${thread.name}.`;
      });
    }
  }

  private async continue(): Promise<void> {
    const { row, host } = this;
    if (row && host) {
      const { name } = row.thread;
      await this.perform(host, async () => {
        await host.request('set_thread', { thread: name });
        return `Cells without --thread now continue ${name}.`;
      });
    }
  }

  private async perform(host: IPanelHost, action: () => Promise<string>): Promise<void> {
    try {
      this.message.textContent = await action();
    } catch (error) {
      this.message.textContent = errorMessage(error);
    }
    await this.refresh(host, { cells: this.cells });
  }
}
