/** The section that finds past prompts of all notebooks and puts them into this one. */

import { button, h, words } from '../app/dom';
import { shortName } from '../models/modelText';
import type { IFoundTurn } from '../kernel/protocol';
import type { IPanelHost, ISection } from './host';

export class Search implements ISection {
  readonly title = 'Past prompts';
  readonly node: HTMLElement;
  private readonly input = h('input', {
    type: 'search',
    class: 'cc-search',
    placeholder: 'Words of a prompt or answer',
    'aria-label': 'Search past prompts and answers',
    autocomplete: 'off',
    spellcheck: 'false'
  });
  private readonly said = h('div', { class: 'cc-note', role: 'status' });
  private readonly list = h('ul', { class: 'cc-found', 'aria-label': 'Found turns' });
  private host: IPanelHost | null = null;
  private asked = 0;

  constructor() {
    const form = h(
      'form',
      { role: 'search', class: 'cc-search-form' },
      this.input,
      h('button', { type: 'submit' }, 'Search')
    );
    form.addEventListener('submit', event => {
      event.preventDefault();
      void this.search();
    });
    this.node = h('div', {}, form, this.said, this.list);
    this.list.hidden = true;
  }

  version(): string {
    return '';
  }

  refresh(host: IPanelHost): Promise<void> {
    this.host = host;
    return Promise.resolve();
  }

  private async search(): Promise<void> {
    const { host } = this;
    const text = this.input.value.trim();
    this.asked += 1;
    const { asked } = this;
    let found: readonly IFoundTurn[] = [];
    let said = '';
    if (host && text !== '') {
      try {
        found = distinct((await host.ask('search', { text })).turns);
        said = remark(found.length);
      } catch (error) {
        said = words(error);
      }
    }
    if (asked === this.asked) {
      this.said.textContent = said;
      this.list.replaceChildren(...found.map(turn => this.item(turn)));
      this.list.hidden = found.length === 0;
    }
  }

  private item(turn: IFoundTurn): HTMLElement {
    const when = new Date(turn.sent_at);
    const date = h('time', { datetime: turn.sent_at }, when.toLocaleDateString());
    date.title = when.toLocaleString();
    const insert = button('Insert as a cell', 'Below the active cell; it is not run', () => {
      this.host?.insert(promptCell(turn.prompt));
    });
    return h(
      'li',
      {},
      h('div', { class: 'cc-snippet' }, ...marked(turn.snippet)),
      h(
        'div',
        { class: 'cc-line-marks' },
        h('span', { title: turn.notebook }, fileName(turn.notebook) || 'no notebook'),
        ' · ',
        date,
        ` · ${shortName(turn.model)}`
      ),
      insert
    );
  }
}

/** Give the cell that sends a prompt again to the letter: what was put in is not put in twice. */
export function promptCell(prompt: string): string {
  return `%%cmd${prompt.includes('{{') ? ' --raw' : ''}\n${prompt}`;
}

/** Give a snippet with the words between `**` marked. */
export function marked(snippet: string): (Node | string)[] {
  const parts = snippet.split('**');
  const pairs = Math.floor((parts.length - 1) / 2);
  const rest = parts.slice(2 * pairs + 1).map(part => `**${part}`);
  const within = parts.slice(0, 2 * pairs + 1);
  return [...within.map((part, at) => (at % 2 === 1 ? h('mark', {}, part) : part)), ...rest];
}

/** Give each prompt of a cell once, however often it was asked. */
export function distinct(turns: readonly IFoundTurn[]): IFoundTurn[] {
  const byPlace = new Map<string, IFoundTurn>();
  for (const turn of turns) {
    const place = JSON.stringify([turn.notebook, turn.cell_id, turn.prompt]);
    byPlace.set(place, byPlace.get(place) ?? turn);
  }
  return [...byPlace.values()];
}

function fileName(path: string): string {
  return path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
}

function remark(found: number): string {
  return found === 0 ? 'Nothing found.' : `${found} found`;
}
