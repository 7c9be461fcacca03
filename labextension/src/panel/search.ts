/** The section that searches the prompts of all notebooks and inserts them into this one. */

import { button, errorMessage, h, statusNote } from '../app/dom';
import type { IFoundTurn } from '../kernel/protocol';
import { shortName } from '../models/modelText';
import type { IPanelHost, ISection } from './host';

export class SearchSection implements ISection {
  readonly title = 'Past prompts';
  readonly node: HTMLElement;
  private readonly input = h('input', {
    type: 'search',
    class: 'cc-search',
    placeholder: 'Search prompts and answers',
    'aria-label': 'Search past prompts and answers',
    autocomplete: 'off',
    spellcheck: 'false'
  });
  private readonly message = statusNote();
  private readonly list = h('ul', { class: 'cc-found', 'aria-label': 'Search results' });
  private host: IPanelHost | null = null;
  private searches = 0;

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
    this.node = h('div', {}, form, this.message, this.list);
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
    this.searches += 1;
    const { searches } = this;
    let found: readonly IFoundTurn[] = [];
    let message = '';
    if (host && text !== '') {
      try {
        found = distinct((await host.request('search', { text })).turns);
        message = count(found.length);
      } catch (error) {
        message = errorMessage(error);
      }
    }
    if (searches === this.searches) {
      this.message.textContent = message;
      this.list.replaceChildren(...found.map(turn => this.item(turn)));
      this.list.hidden = found.length === 0;
    }
  }

  private item(turn: IFoundTurn): HTMLElement {
    const when = new Date(turn.sent_at);
    const date = h('time', { datetime: turn.sent_at }, when.toLocaleDateString());
    date.title = when.toLocaleString();
    const insert = button(
      'Insert as cell',
      'Inserts it below the active cell without running it',
      () => {
        this.host?.insert(promptCell(turn.prompt));
      }
    );
    return h(
      'li',
      {},
      h('div', { class: 'cc-snippet' }, ...markWords(turn.snippet)),
      h(
        'div',
        { class: 'cc-line-details' },
        h('span', { title: turn.notebook }, fileName(turn.notebook) || 'no notebook'),
        ' · ',
        date,
        turn.model && ` · ${shortName(turn.model)}`
      ),
      insert
    );
  }
}

/** Return the source of a cell that sends a prompt again unchanged: its `{{ }}` stay as text. */
export function promptCell(prompt: string): string {
  return `%%cmd${prompt.includes('{{') ? ' --raw' : ''}\n${prompt}`;
}

/** Return the nodes of a snippet in which the words between `**` are marked. */
export function markWords(snippet: string): (Node | string)[] {
  const parts = snippet.split('**');
  const pairs = Math.floor((parts.length - 1) / 2);
  const rest = parts.slice(2 * pairs + 1).map(part => `**${part}`);
  const complete = parts.slice(0, 2 * pairs + 1);
  return [
    ...complete.map((part, index) => (index % 2 === 1 ? h('mark', {}, part) : part)),
    ...rest
  ];
}

/** Return each prompt of a cell once, however often it was sent: the best match. */
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

function count(found: number): string {
  return found === 0 ? 'Nothing found.' : `${found} found`;
}
