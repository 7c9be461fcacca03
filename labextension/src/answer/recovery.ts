/**
 * Completes answers of which this page received only a part: after a reload, a lost connection, or
 * the end of a kernel in the middle of an answer.
 *
 * The kernel has the whole answer, and after a restart the history has what had arrived. Where
 * neither has it, the cell says so.
 */

import { CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { type ISignal, Signal } from '@lumino/signaling';

import { errorMessage } from '../app/dom';
import { cellWithId, eachNotebook } from '../app/notebooks';
import { delay } from '../kernel/channel';
import { isGone } from '../kernel/executions';
import { kernelOf, linkOf, type NotebookLink } from '../kernel/notebookLink';
import { isUnfinished, showAnswer, shownBy } from './cellActions';
import { answerNewPages, pagesBefore } from './sharedNotebook';
import { executionOf, hasSeenExecution, runningPrompt } from './stopButton';

/** How long the outputs of a cell may take after its end. */
const SETTLE_MS = 1000;
export const NOT_SHOWN =
  'It cannot be shown again: the history does not have its text. %cmd versions lists all answers.';
const KERNEL_ENDED = 'The kernel ended before the answer was complete.';

/** What became of an answer that this page did not receive completely. */
export type Fate =
  /** It is still arriving, and this page shows it at its end. */
  | { readonly kind: 'arriving' }
  /** Only its beginning is shown; `reason` is why, if a kernel was asked. */
  | { readonly kind: 'unfinished'; readonly reason: string };

const recoveries = new WeakMap<NotebookPanel, Recovery>();
const changes = new Signal<object, NotebookPanel>({});

/** Emitted when the fate of an answer in a notebook may have changed. */
export const fatesChanged: ISignal<object, NotebookPanel> = changes;

/** Complete answers in all notebooks. */
export function addRecovery(tracker: INotebookTracker): void {
  eachNotebook(tracker, panel => {
    recoveries.set(panel, new Recovery(panel, linkOf(panel)));
  });
}

/** Return what became of the answer of a cell; `null` if the cell shows all of it. */
export function fateOf(panel: NotebookPanel, cell: CodeCell): Fate | null {
  return recoveries.get(panel)?.fateOf(cell) ?? null;
}

class Recovery {
  /** The cells whose answers arrive without this page, since they began before it was loaded. */
  private readonly arriving = new Set<string>();
  private readonly asking = new Set<string>();
  /** Why the kernel has no complete answer, by cell. */
  private readonly reasons = new Map<string, string>();
  /** Counts the changes of the link: what an earlier kernel said does not count. */
  private generation = 0;

  constructor(
    private readonly panel: NotebookPanel,
    private readonly link: NotebookLink
  ) {
    link.stateChanged.connect(() => {
      this.update();
    });
    link.statusChanged.connect((_, status) => {
      this.generation += 1;
      this.reasons.clear(); // another kernel, or the same one restarted, may know more
      if (status !== 'ready') {
        this.arriving.clear();
      }
      changes.emit(this.panel);
    });
    panel.sessionContext.statusChanged.connect((_, status) => {
      this.follow(status);
    });
    void panel.context.ready.then(() => {
      answerNewPages(panel);
      this.update();
    });
  }

  fateOf(cell: CodeCell): Fate | null {
    if (this.arriving.has(cell.model.id)) {
      return { kind: 'arriving' };
    }
    if (!isUnfinished(cell) || cell === runningPrompt(this.panel)) {
      return null;
    }
    if (this.isWaiting || this.runsElsewhere(cell)) {
      return { kind: 'arriving' };
    }
    return { kind: 'unfinished', reason: this.reasons.get(cell.model.id) ?? '' };
  }

  /** A kernel that was busy when the page was loaded answers only after its cell. */
  private get isWaiting(): boolean {
    return this.link.status === 'waiting' && kernelOf(this.panel)?.status === 'unknown';
  }

  /** Return whether another page of the same document runs a cell, while the kernel is unknown. */
  private runsElsewhere({ model }: CodeCell): boolean {
    return this.link.state === null && model.executionState === 'running' && this.hasKernel;
  }

  private get hasKernel(): boolean {
    const { status } = kernelOf(this.panel) ?? { status: 'dead' };
    return !isGone(status) && this.link.status === 'waiting';
  }

  private update(): void {
    const { state } = this.link;
    if (!state || this.panel.isDisposed) {
      return;
    }
    const running = state.running?.cell_id ?? null;
    if (running !== null && this.isUnseen(running)) {
      this.arriving.add(running);
    }
    const ended = [...this.arriving].filter(id => id !== running);
    const unfinished = running === null ? this.unfinished() : [];
    for (const id of new Set([...ended, ...unfinished])) {
      if (!this.reasons.has(id)) {
        void this.complete(id);
      }
    }
    changes.emit(this.panel);
  }

  /** Return whether a cell runs whose beginning this page has not seen. */
  private isUnseen(cellId: string): boolean {
    const cell = cellWithId(this.panel, cellId);
    return cell !== null && executionOf(cell) === '' && !hasSeenExecution(this.panel);
  }

  private unfinished(): string[] {
    return this.codeCells()
      .filter(cell => isUnfinished(cell))
      .map(({ model }) => model.id);
  }

  private async complete(cellId: string): Promise<void> {
    if (this.asking.has(cellId)) {
      return;
    }
    this.asking.add(cellId);
    const { generation } = this;
    let reason = '';
    try {
      // its outputs may still arrive, above all from another page of the same document
      await delay(SETTLE_MS * (1 + this.pagesBefore(cellId)));
      if (!this.isMissing(cellId)) {
        return;
      }
      const notebook = this.panel.context.path;
      const answer = await this.link.request('get_answer', { notebook, cell_id: cellId });
      const cell = cellWithId(this.panel, cellId);
      if (answer.outputs.length === 0) {
        reason = NOT_SHOWN;
      } else if (cell && cell !== runningPrompt(this.panel) && this.isMissing(cellId)) {
        showAnswer(cell, answer);
        endExecution(cell);
      }
    } catch (error) {
      reason = errorMessage(error);
    } finally {
      this.asking.delete(cellId);
      this.arriving.delete(cellId);
      if (reason && generation === this.generation) {
        this.reasons.set(cellId, reason);
      }
      changes.emit(this.panel);
    }
    if (generation !== this.generation) {
      this.update(); // a kernel that ended meanwhile was asked
    }
  }

  /** Return whether a cell lacks the answer that its conversation has, or the end of it. */
  private isMissing(cellId: string): boolean {
    const cell = cellWithId(this.panel, cellId);
    const turnId = this.link.state?.cells[cellId]?.turn_id;
    const shown = cell && shownBy(cell, id => id === turnId);
    return cell !== null && (isUnfinished(cell) || shown?.turnId !== turnId);
  }

  /** Write under a half answer that its kernel has ended, so that the saved notebook says it too. */
  private follow(status: Kernel.Status): void {
    if (!isGone(status)) {
      return;
    }
    for (const cell of this.codeCells().filter(each => isUnfinished(each))) {
      const before = pagesBefore(cell);
      if (before === 0) {
        writeEnd(cell);
      } else {
        void delay(SETTLE_MS * before).then(() => {
          if (!cell.isDisposed && isUnfinished(cell)) {
            writeEnd(cell);
          }
        });
      }
    }
    changes.emit(this.panel);
  }

  private pagesBefore(cellId: string): number {
    const cell = cellWithId(this.panel, cellId);
    return cell ? pagesBefore(cell) : 0;
  }

  private codeCells(): CodeCell[] {
    return this.panel.content.widgets.filter(cell => cell instanceof CodeCell);
  }
}

/** Write under a half answer that its kernel has ended, unless another page has done so. */
function writeEnd({ model: { outputs } }: CodeCell): void {
  const last = outputs.length > 0 ? outputs.get(outputs.length - 1).data : {};
  if (last['text/plain'] !== KERNEL_ENDED) {
    outputs.add({
      output_type: 'display_data',
      data: { 'text/html': `<small>${KERNEL_ENDED}</small>`, 'text/plain': KERNEL_ENDED },
      metadata: { cc_jupyter: { unfinished: true } }
    });
  }
}

/** Let a cell look ended: the page that ran it is gone, and a shared document says it still runs. */
function endExecution({ model, outputArea }: CodeCell): void {
  const future = outputArea.future as typeof outputArea.future | undefined;
  if (model.executionState === 'running' && (future?.isDisposed ?? true)) {
    model.executionState = 'idle';
  }
}
