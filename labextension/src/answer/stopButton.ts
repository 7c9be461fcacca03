/** Tracks the running prompt of each notebook and shows a stop button above its growing answer. */

import type { Cell, CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { KernelMessage } from '@jupyterlab/services';
import { stopIcon } from '@jupyterlab/ui-components';
import { type ISignal, Signal } from '@lumino/signaling';

import { button } from '../app/dom';
import { cellWithId, eachNotebook, sourceOf } from '../app/notebooks';
import { isGone, isIdle, isInput } from '../kernel/executions';
import { type ICellLink, linkOf } from '../kernel/notebookLink';
import { existingHeader, headerOf } from './answerHeader';
import { isPrompt } from './cellActions';
import { shareOutputs } from './sharedNotebook';

export const STOP_CAPTION = 'Stop the answer and keep the text received so far';

/** The class of a cell while its answer arrives: outputs that are out of sight cost nothing. */
const GROWING = 'cc-growing';

const CALLS_CMD = /(?:^|[\s=(])%cmd\s/;

const prompts = new WeakMap<NotebookPanel, RunningPrompt>();
const changes = new Signal<object, NotebookPanel>({});

/** Emitted when a prompt starts or ends. */
export const runningChanged: ISignal<object, NotebookPanel> = changes;

/** Add the button in all notebooks. */
export function addStopButtons(tracker: INotebookTracker): void {
  eachNotebook(tracker, panel => {
    prompts.set(panel, new RunningPrompt(panel, linkOf(panel)));
  });
}

/** Return the prompt that is running; other prompts of a *Run All* wait for it. */
export function runningPrompt(panel: NotebookPanel): CodeCell | null {
  return prompts.get(panel)?.cell ?? null;
}

/** Return whether this page has seen a cell begin to run since it was loaded. */
export function hasSeenExecution(panel: NotebookPanel): boolean {
  return prompts.get(panel)?.hasSeenExecution ?? false;
}

class RunningPrompt {
  cell: CodeCell | null = null;
  private execution = '';

  constructor(
    private readonly panel: NotebookPanel,
    private readonly link: ICellLink
  ) {
    panel.sessionContext.iopubMessage.connect((_, message) => {
      this.receive(message);
    });
    panel.sessionContext.statusChanged.connect((_, status) => {
      if (isGone(status)) {
        this.set(null);
      }
    });
    link.stateChanged.connect(() => {
      this.syncWithState();
    });
  }

  get hasSeenExecution(): boolean {
    return this.execution !== '';
  }

  private receive(message: KernelMessage.IMessage): void {
    const parent = message.parent_header;
    const execution = 'msg_id' in parent ? parent.msg_id : '';
    if (isInput(message)) {
      this.execution = execution;
      this.set(this.promptOf(execution));
    } else if (isIdle(message) && execution === this.execution) {
      if (this.cell && executionOf(this.cell) === execution) {
        shareOutputs(this.cell);
      }
      this.set(null);
    }
  }

  /** Follow a prompt that another page started, or that started before this page was loaded. */
  private syncWithState(): void {
    const running = this.link.state?.running;
    if (running?.cell_id && !this.cell) {
      this.set(cellWithId(this.panel, running.cell_id));
    } else if (!running && this.execution === '') {
      this.set(null);
    }
  }

  private promptOf(execution: string): CodeCell | null {
    const found = this.panel.content.widgets.find(
      cell => mayRequest(cell) && executionOf(cell as CodeCell) === execution
    );
    return (found as CodeCell | undefined) ?? null;
  }

  private set(cell: CodeCell | null): void {
    if (cell === this.cell) {
      return;
    }
    if (this.cell) {
      existingHeader(this.cell)?.put('stop');
      this.cell.removeClass(GROWING);
    }
    this.cell = cell;
    if (cell) {
      cell.addClass(GROWING);
      headerOf(cell).put('stop', this.createButton(cell));
    }
    changes.emit(this.panel);
  }

  private createButton(cell: CodeCell): HTMLButtonElement {
    const created = button('Stop', STOP_CAPTION, () => {
      created.disabled = true;
      created.textContent = 'Stopping…';
      void this.link.stop(cell.model.id);
    });
    created.className = 'cc-stop';
    created.prepend(stopIcon.element({ tag: 'span', elementSize: 'small' }));
    return created;
  }
}

/** Return whether a cell may send a request: it is a prompt or has a line with `%cmd ask`. */
function mayRequest(cell: Cell): boolean {
  return isPrompt(cell) || (cell.model.type === 'code' && CALLS_CMD.test(sourceOf(cell)));
}

/** Return the id of the last execution of a cell that this page started; empty if there is none. */
export function executionOf({ outputArea }: CodeCell): string {
  // undefined before the first execution, whatever its type says
  const future = outputArea.future as typeof outputArea.future | undefined;
  return future?.msg.header.msg_id ?? '';
}
