/** The active cell, which the cell commands act on, and everything that decides which are enabled. */

import { type Cell, CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { type ISignal, Signal } from '@lumino/signaling';

import { type ICellLink, linkOf } from '../kernel/notebookLink';
import type { ICell } from '../kernel/protocol';
import { hasAnswer, hasCode, isPrompt } from './cellActions';
import { runningChanged, runningPrompt } from './stopButton';

export interface IActiveCell {
  readonly panel: NotebookPanel;
  readonly cell: Cell;
  /** The same cell if it is a code cell. */
  readonly code: CodeCell | null;
  readonly link: ICellLink;
  readonly isPrompt: boolean;
  readonly hasAnswer: boolean;
  readonly hasCode: boolean;
  /** The kernel's state of its answer. */
  readonly state: ICell | null;
  /** The running prompt of its notebook. */
  readonly running: CodeCell | null;
}

/** Follows the active cell of the current notebook. */
export class ActiveCell {
  private readonly changes = new Signal<this, null>(this);
  private cell: Cell | null = null;
  private last = '';

  constructor(private readonly tracker: INotebookTracker) {
    const update = this.update.bind(this);
    const onContent = (): void => {
      // a growing answer changes many times a second; no command depends on it before its end
      if (this.cell === null || this.cell !== (this.panel && runningPrompt(this.panel))) {
        this.update();
      }
    };
    const linked = new WeakSet<NotebookPanel>();
    tracker.activeCellChanged.connect((_, cell) => {
      if (this.cell?.isDisposed === false) {
        this.cell.model.contentChanged.disconnect(onContent);
      }
      this.cell = cell;
      cell?.model.contentChanged.connect(onContent);
      this.last = '';
      update();
    });
    tracker.currentChanged.connect((_, panel) => {
      if (panel && !linked.has(panel)) {
        linked.add(panel);
        linkOf(panel).stateChanged.connect(update);
      }
      update();
    });
    runningChanged.connect(update);
  }

  /** Emitted when `current` has changed in a way that affects the commands. */
  get changed(): ISignal<this, null> {
    return this.changes;
  }

  get panel(): NotebookPanel | null {
    return this.tracker.currentWidget;
  }

  get link(): ICellLink | null {
    return this.panel && linkOf(this.panel);
  }

  get current(): IActiveCell | null {
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
      state: link.state?.cells[cell.model.id] ?? null,
      running: runningPrompt(panel)
    };
  }

  /** Emit a change, unless it is one that no command depends on, such as typing in a prompt. */
  private update(): void {
    const { current } = this;
    const { state, running } = current ?? { state: null, running: null };
    const key = JSON.stringify([
      current?.isPrompt,
      current?.hasAnswer,
      current?.hasCode,
      state && [state.versions, state.cut, state.last],
      running?.model.id,
      current !== null && current.link.state !== null
    ]);
    if (key !== this.last) {
      this.last = key;
      this.changes.emit(null);
    }
  }
}
