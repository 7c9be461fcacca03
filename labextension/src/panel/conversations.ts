/** The section with the conversations: their tree, and what can be done at the selected line. */

import { button, h, words } from '../app/dom';
import type { IState, ITree } from '../kernel/protocol';
import { type IPanelHost, type ISection, settled } from './host';
import { ConversationTree } from './tree';
import { type ITreeRow, withStale } from './treeRows';

export class Conversations implements ISection {
  readonly title = 'Conversations';
  readonly node: HTMLElement;
  private readonly tree: ConversationTree;
  private readonly cell = button('Go to cell', '', () => {
    this.goTo();
  });
  private readonly fork = button('Fork from here…', '', () => void this.forkHere());
  private readonly resume = button(
    'Go on with it',
    'Cells without --thread then go on with this conversation',
    () => void this.goOn()
  );
  private readonly said = h('div', { class: 'cc-note', role: 'status' });
  private readonly none = h('div', { class: 'cc-note' }, 'No prompt has been asked yet.');
  private readonly bar: HTMLElement;
  private row: ITreeRow | null = null;
  private host: IPanelHost | null = null;
  private known: IState['cells'] = {};
  private shown = '';
  private currentThread = '';

  constructor() {
    this.tree = new ConversationTree({
      select: row => {
        this.selected(row);
      },
      enter: () => {
        this.goTo();
      }
    });
    this.bar = h(
      'div',
      { class: 'cc-bar', role: 'toolbar', 'aria-label': 'The selected turn' },
      this.cell,
      this.fork,
      this.resume
    );
    this.node = h('div', {}, this.tree.node, this.none, this.bar, this.said);
    this.selected(null);
  }

  version(state: IState): string {
    return settled(state);
  }

  async refresh(host: IPanelHost, { cells }: Pick<IState, 'cells'>): Promise<void> {
    this.known = cells;
    const told = await host.ask('get_tree', { notebook: host.notebook });
    const tree = withStale(told, cells);
    if (host.notebook !== this.host?.notebook) {
      this.said.textContent = '';
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
    const asked = tree.threads.some(({ turns }) => turns.length > 0);
    this.tree.node.hidden = this.bar.hidden = !asked;
    this.none.hidden = asked;
  }

  private selected(row: ITreeRow | null): void {
    this.row = row;
    this.cell.disabled = !row?.turn?.cell_id;
    this.fork.disabled = !row?.turn || !row.thread.live;
    this.fork.title =
      row?.turn && !row.thread.live
        ? 'It is in the history: go on with it first'
        : 'A new conversation that shares everything up to this turn';
    this.resume.disabled = !row || (row.thread.live && row.thread.name === this.currentThread);
  }

  private goTo(): void {
    const cell = this.row?.turn?.cell_id;
    if (cell && this.host) {
      this.said.textContent = this.host.goTo(cell)
        ? ''
        : 'This notebook has no such cell any more.';
    }
  }

  private async forkHere(): Promise<void> {
    const { row, host } = this;
    if (!row?.turn || !host) {
      return;
    }
    const { thread, turn } = row;
    const title = `Fork ${thread.name} after turn ${turn.turn}`;
    const name = await host.askName(title, `${thread.name}-${turn.turn}`);
    if (name) {
      await this.wish(async () => {
        await host.ask('fork', { thread: thread.name, turn: turn.turn, name });
        await host.ask('set_thread', { thread: name });
        return `${name} goes on after turn ${turn.turn} of ${thread.name}.`;
      });
    }
  }

  private async goOn(): Promise<void> {
    const { row, host } = this;
    if (row && host) {
      const { name } = row.thread;
      await this.wish(async () => {
        await host.ask('set_thread', { thread: name });
        return `Cells without --thread go on with ${name}.`;
      });
    }
  }

  private async wish(act: () => Promise<string>): Promise<void> {
    const { host } = this;
    try {
      this.said.textContent = await act();
    } catch (error) {
      this.said.textContent = words(error);
    }
    if (host) {
      await this.refresh(host, { cells: this.known });
    }
  }
}
