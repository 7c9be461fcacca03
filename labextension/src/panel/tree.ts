/** Shows the tree of conversations, with one tab stop and the usual keys of a tree. */

import { h } from '../app/dom';
import type { ITree } from '../kernel/protocol';
import { combinationName, type ITreeRow, rowDetails, treeRows } from './treeRows';

export interface ITreeEvents {
  /** Another line is selected, or the selected one has changed. */
  select(row: ITreeRow | null): void;
  /** Enter was pressed on a turn, or it was clicked. */
  enter(row: ITreeRow): void;
}

export class ConversationTree {
  readonly node = h('div', { class: 'cc-tree', role: 'tree', 'aria-label': 'Conversations' });
  private readonly toggled = new Map<string, boolean>();
  private rows: ITreeRow[] = [];
  private selected: string | null = null;
  private tree: ITree = { current: '', threads: [] };

  constructor(private readonly events: ITreeEvents) {
    this.node.addEventListener('keydown', event => {
      this.press(event);
    });
  }

  show(tree: ITree): void {
    this.tree = tree;
    this.draw();
  }

  private draw(): void {
    const hadFocus = this.node.contains(document.activeElement);
    this.rows = treeRows(
      this.tree,
      // grids and conversations of the history start closed
      (key, thread, turn) => this.toggled.get(key) ?? (thread.live && turn === null)
    );
    if (!this.rows.some(({ key }) => key === this.selected)) {
      this.selected = null;
    }
    this.node.replaceChildren(...this.rows.map(row => this.line(row)));
    this.highlight(hadFocus);
  }

  private line(row: ITreeRow): HTMLElement {
    const { turn, combination, open } = row;
    const line = h(
      'div',
      {
        role: 'treeitem',
        class: turn ? 'cc-turn' : 'cc-thread',
        'aria-level': row.level,
        'aria-posinset': row.position,
        'aria-setsize': row.siblings,
        'aria-expanded': open === null ? null : String(open),
        'aria-current': row.current ? 'true' : null,
        tabindex: '-1'
      },
      h('span', { class: 'cc-twist', 'aria-hidden': 'true' }, twist(open)),
      h('span', { class: 'cc-line-name' }, nameOf(row)),
      ...(turn?.stale && !combination ? [' ', h('span', { class: 'cc-stale' }, 'stale')] : []),
      h('span', { class: 'cc-line-details' }, ` ${rowDetails(row).join(' · ')}`)
    );
    line.style.setProperty('--cc-level', String(row.level - 1));
    line.addEventListener('click', event => {
      this.click(row, event);
    });
    return line;
  }

  private click(row: ITreeRow, event: MouseEvent): void {
    const onTwist = event.target instanceof Element && event.target.matches('.cc-twist');
    this.select(row, true);
    if (row.turn && onTwist && row.open !== null) {
      this.toggle(row);
    } else if (row.turn) {
      this.events.enter(row);
    } else if (onTwist || event.detail === 2) {
      this.toggle(row);
    }
  }

  private press(event: KeyboardEvent): void {
    const index = Math.max(0, this.index());
    const row = this.rows[index];
    if (!row || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (!this.handleKey(event.key, row, index)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** Handle a key on a line; returns whether it was one of the tree's keys. */
  private handleKey(key: string, row: ITreeRow, index: number): boolean {
    const last = this.rows.length - 1;
    const targets: Readonly<Record<string, ITreeRow | undefined>> = {
      ArrowDown: this.rows[Math.min(index + 1, last)],
      ArrowUp: this.rows[Math.max(index - 1, 0)],
      Home: this.rows[0],
      End: this.rows[last],
      ArrowRight: row.open ? this.rows[index + 1] : row,
      ArrowLeft: this.parentOf(row, index) ?? row
    };
    const target = targets[key];
    const toggles = { ArrowRight: row.open === false, ArrowLeft: row.open === true }[key];
    const enters = key === 'Enter' || key === ' ';
    if (toggles || (enters && !row.turn)) {
      this.toggle(row);
    } else if (enters) {
      this.events.enter(row);
    } else if (target) {
      this.select(target, true);
    }
    return enters || target !== undefined;
  }

  private parentOf(row: ITreeRow, index: number): ITreeRow | undefined {
    return this.rows.slice(0, index).findLast(({ level }) => level < row.level);
  }

  private toggle(row: ITreeRow): void {
    if (row.open !== null) {
      this.toggled.set(row.key, !row.open);
      this.draw();
    }
  }

  private select(row: ITreeRow, focus: boolean): void {
    this.selected = row.key;
    this.highlight(focus);
  }

  private index(): number {
    return this.rows.findIndex(({ key }) => key === this.selected);
  }

  private highlight(focus: boolean): void {
    const selected = this.index();
    const tabStop = Math.max(0, selected);
    for (const [index, line] of [...this.node.children].entries()) {
      line.setAttribute('aria-selected', String(index === selected));
      line.setAttribute('tabindex', index === tabStop ? '0' : '-1');
    }
    const line = this.node.children[tabStop];
    if (focus && line instanceof HTMLElement) {
      line.focus();
    }
    this.events.select(this.rows[selected] ?? null);
  }
}

function nameOf({ thread, turn, combination }: ITreeRow): string {
  if (combination) {
    return combinationName(combination);
  }
  return turn ? turn.prompt || '(empty)' : thread.name;
}

function twist(open: boolean | null): string {
  if (open === null) {
    return '';
  }
  return open ? '▾' : '▸';
}
