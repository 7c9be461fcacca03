/** A stop button at the prompt that runs, as near to it as the answer that grows. */

import type { Cell, CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { stopIcon } from '@jupyterlab/ui-components';
import { type ISignal, Signal } from '@lumino/signaling';

import { isPrompt } from './cellActions';
import { h } from '../app/dom';
import type { ICellLink, LinkOf } from '../kernel/links';
import { cellWithId, eachNotebook } from '../app/notebooks';
import { knownStrip, stripOf } from './answerHeader';

const ENDED: readonly Kernel.Status[] = ['restarting', 'autorestarting', 'dead', 'terminating'];

const ASKS = /(?:^|[\s=(])%cmd\s/;

const running = new WeakMap<NotebookPanel, Running>();
const changes = new Signal<object, NotebookPanel>({});

/** Emitted when a prompt begins or ends. */
export const runningChanged: ISignal<object, NotebookPanel> = changes;

/** Have the button in all notebooks. */
export function addStopButtons(tracker: INotebookTracker, linkOf: LinkOf): void {
  eachNotebook(tracker, panel => {
    running.set(panel, new Running(panel, linkOf(panel)));
  });
}

/** Give the prompt that runs; the others of a *Run All* wait for it. */
export function runningPrompt(panel: NotebookPanel): CodeCell | null {
  return running.get(panel)?.cell ?? null;
}

class Running {
  cell: CodeCell | null = null;
  private execution = '';

  constructor(
    private readonly panel: NotebookPanel,
    private readonly link: ICellLink
  ) {
    panel.sessionContext.iopubMessage.connect((_, message) => {
      this.hear(message);
    });
    panel.sessionContext.statusChanged.connect((_, status) => {
      if (ENDED.includes(status)) {
        this.follow(null);
      }
    });
    link.stateChanged.connect(() => {
      this.remember();
    });
  }

  private hear(message: KernelMessage.IMessage): void {
    const parent = message.parent_header;
    const execution = 'msg_id' in parent ? parent.msg_id : '';
    if (message.header.msg_type === 'execute_input') {
      this.execution = execution;
      this.follow(this.asker(execution));
    } else if (
      message.header.msg_type === 'status' &&
      (message as KernelMessage.IStatusMsg).content.execution_state === 'idle' &&
      execution === this.execution
    ) {
      this.follow(null);
    }
  }

  /** Take a prompt for running that another page runs, or ran before this one was loaded. */
  private remember(): void {
    const now = this.link.state?.running;
    if (now?.cell_id && !this.cell) {
      this.follow(cellWithId(this.panel, now.cell_id));
    } else if (!now && this.execution === '') {
      this.follow(null);
    }
  }

  private asker(execution: string): CodeCell | null {
    const found = this.panel.content.widgets.find(
      cell => mayAsk(cell) && futureOf(cell as CodeCell) === execution
    );
    return (found as CodeCell | undefined) ?? null;
  }

  private follow(cell: CodeCell | null): void {
    if (cell === this.cell) {
      return;
    }
    if (this.cell) {
      knownStrip(this.cell)?.put('stop');
    }
    this.cell = cell;
    if (cell) {
      stripOf(cell).put('stop', this.button(cell));
    }
    changes.emit(this.panel);
  }

  private button(cell: CodeCell): HTMLButtonElement {
    const label = 'Stop the answer; what came is kept';
    const button = h('button', { type: 'button', class: 'cc-stop', title: label }, 'Stop');
    button.prepend(stopIcon.element({ tag: 'span', elementSize: 'small' }));
    button.addEventListener('click', () => {
      button.disabled = true;
      void this.link.stop(cell.model.id);
    });
    return button;
  }
}

/** Tell whether a cell may wait for a model: a prompt, or one with `%cmd ask` among its lines. */
function mayAsk(cell: Cell): boolean {
  return (
    isPrompt(cell) || (cell.model.type === 'code' && ASKS.test(cell.model.sharedModel.getSource()))
  );
}

function futureOf({ outputArea }: CodeCell): string {
  // none before the first execution, whatever its type says
  const future = outputArea.future as typeof outputArea.future | undefined;
  return future?.msg.header.msg_id ?? '';
}
