/** The tree of conversations on the screen: one tab stop, and the keys that trees have. */

import { h } from '../app/dom';
import type { ITree } from '../kernel/protocol';
import { type ITreeRow, marks, treeRows } from './treeRows';

export interface ITreeEvents {
  /** Another line is selected, or the same one means something else now. */
  select(row: ITreeRow | null): void;
  /** Enter or a click on a turn. */
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
      (key, thread) => this.toggled.get(key) ?? thread.live // the history is long
    );
    if (!this.rows.some(({ key }) => key === this.selected)) {
      this.selected = null;
    }
    this.node.replaceChildren(...this.rows.map(row => this.line(row)));
    this.point(hadFocus);
  }

  private line(row: ITreeRow): HTMLElement {
    const { thread, turn, open } = row;
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
      h('span', { class: 'cc-line-name' }, turn ? turn.prompt || '(empty)' : thread.name),
      ...(turn?.stale ? [' ', h('span', { class: 'cc-stale' }, 'stale')] : []),
      h('span', { class: 'cc-line-marks' }, ` ${marks(row).join(' · ')}`)
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
    if (row.turn) {
      this.events.enter(row);
    } else if (onTwist || event.detail === 2) {
      this.toggle(row);
    }
  }

  private press(event: KeyboardEvent): void {
    const at = Math.max(0, this.place());
    const row = this.rows[at];
    if (!row || event.ctrlKey || event.metaKey || event.altKey) {
      return;
    }
    if (!this.go(event.key, row, at)) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  /** Do what a key means at a line; gives whether it means anything. */
  private go(key: string, row: ITreeRow, at: number): boolean {
    const last = this.rows.length - 1;
    const targets: Readonly<Record<string, ITreeRow | undefined>> = {
      ArrowDown: this.rows[Math.min(at + 1, last)],
      ArrowUp: this.rows[Math.max(at - 1, 0)],
      Home: this.rows[0],
      End: this.rows[last],
      ArrowRight: row.open ? this.rows[at + 1] : row,
      ArrowLeft: this.above(row, at) ?? row
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

  private above(row: ITreeRow, at: number): ITreeRow | undefined {
    return this.rows
      .slice(0, at)
      .reverse()
      .find(({ level }) => level < row.level);
  }

  private toggle(row: ITreeRow): void {
    if (row.open !== null) {
      this.toggled.set(row.key, !row.open);
      this.draw();
    }
  }

  private select(row: ITreeRow | undefined, focus: boolean): void {
    this.selected = row?.key ?? null;
    this.point(focus);
  }

  private place(): number {
    return this.rows.findIndex(({ key }) => key === this.selected);
  }

  private point(focus: boolean): void {
    const place = this.place();
    for (const [at, line] of [...this.node.children].entries()) {
      line.setAttribute('aria-selected', String(at === place));
      line.setAttribute('tabindex', at === Math.max(0, place) ? '0' : '-1');
    }
    const line = this.node.children[Math.max(0, place)];
    if (focus && line instanceof HTMLElement) {
      line.focus();
    }
    this.events.select(this.rows[place] ?? null);
  }
}

function twist(open: boolean | null): string {
  if (open === null) {
    return '';
  }
  return open ? '▾' : '▸';
}
