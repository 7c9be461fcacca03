/** The cell that commands are about, and what holds of it. */

import { type Cell, CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { type ISignal, Signal } from '@lumino/signaling';

import { hasAnswer, hasCode, isPrompt } from './cellActions';
import type { ICellLink, LinkOf } from '../kernel/links';
import type { ICell } from '../kernel/protocol';
import { runningChanged, runningPrompt } from './stopButton';

export interface IActiveCell {
  readonly panel: NotebookPanel;
  readonly cell: Cell;
  /** The same if it is a code cell. */
  readonly code: CodeCell | null;
  readonly link: ICellLink;
  readonly isPrompt: boolean;
  readonly hasAnswer: boolean;
  readonly hasCode: boolean;
  /** What the kernel says of its answer. */
  readonly facts: ICell | null;
  /** The prompt of its notebook that runs. */
  readonly running: CodeCell | null;
}

/** Follows the active cell of the current notebook. */
export class ActiveCell {
  private readonly news = new Signal<this, null>(this);
  private cell: Cell | null = null;
  private told = '';

  constructor(
    private readonly tracker: INotebookTracker,
    private readonly linkOf: LinkOf
  ) {
    const tell = this.tell.bind(this);
    const linked = new WeakSet<NotebookPanel>();
    tracker.activeCellChanged.connect((_, cell) => {
      if (this.cell?.isDisposed === false) {
        this.cell.model.contentChanged.disconnect(tell);
      }
      this.cell = cell;
      cell?.model.contentChanged.connect(tell);
      this.told = '';
      tell();
    });
    tracker.currentChanged.connect((_, panel) => {
      if (panel && !linked.has(panel)) {
        linked.add(panel);
        linkOf(panel).stateChanged.connect(tell);
      }
      tell();
    });
    runningChanged.connect(tell);
  }

  /** Emitted when something else holds. */
  get changed(): ISignal<this, null> {
    return this.news;
  }

  get panel(): NotebookPanel | null {
    return this.tracker.currentWidget;
  }

  get link(): ICellLink | null {
    return this.panel && this.linkOf(this.panel);
  }

  get now(): IActiveCell | null {
    const { panel, link } = this;
    const cell = this.tracker.activeCell;
    if (!panel || !link || !cell || cell.isDisposed || cell.model.isDisposed) {
      return null;
    }
    return {
      panel,
      cell,
      code: cell instanceof CodeCell ? cell : null,
      link,
      isPrompt: isPrompt(cell),
      hasAnswer: hasAnswer(cell),
      hasCode: hasCode(cell),
      facts: link.state?.cells[cell.model.id] ?? null,
      running: runningPrompt(panel)
    };
  }

  /** Tell of a change; letters of a prompt change nothing that commands depend on. */
  private tell(): void {
    const now = this.now;
    const { facts, running } = now ?? { facts: null, running: null };
    const key = JSON.stringify([
      now?.isPrompt,
      now?.hasAnswer,
      now?.hasCode,
      facts && [facts.versions, facts.cut, facts.last],
      running?.model.id,
      now !== null && now.link.state !== null
    ]);
    if (key !== this.told) {
      this.told = key;
      this.news.emit(null);
    }
  }
}
