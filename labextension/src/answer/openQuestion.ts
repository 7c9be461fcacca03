/**
 * Keeps the question about a tool's call over a reload of the page.
 *
 * JupyterLab loses the line to type in when its page is loaded again, and the outputs since the
 * last save. So the notebook is saved when a question appears; a page that is loaded while the
 * kernel waits shows the question from the file, with a line of its own, and follows the output.
 */

import type { CodeCell } from '@jupyterlab/cells';
import type { IDisplayUpdate } from '@jupyterlab/nbformat';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { KernelMessage } from '@jupyterlab/services';
import { type PanelLayout, Widget } from '@lumino/widgets';

import { h, uniqueId } from '../app/dom';
import { eachCodeCell } from '../app/notebooks';
import { isGone } from '../kernel/executions';
import { kernelOf } from '../kernel/notebookLink';
import { hasSeenExecution } from './stopButton';

/** What the metadata of an output say about an open question. */
export interface IQuestion {
  /** The id of the output, by which the kernel updates it. */
  readonly display_id: string;
  /** The prompt of the line that the kernel waits for. */
  readonly prompt: string;
}

/** Return the open question in the metadata of an output, or `null`. */
export function questionIn(metadata: unknown): IQuestion | null {
  const found = (metadata as { cc_jupyter_question?: Partial<IQuestion> } | null | undefined)
    ?.cc_jupyter_question;
  return typeof found?.display_id === 'string' && typeof found.prompt === 'string'
    ? { display_id: found.display_id, prompt: found.prompt }
    : null;
}

/** Keep the open questions of all notebooks. */
export function keepQuestions(tracker: INotebookTracker): void {
  eachCodeCell(tracker, (cell, panel) => {
    const kept = new KeptQuestion(cell, panel);
    cell.model.outputs.changed.connect(() => {
      kept.update();
    });
    kept.update();
  });
}

class KeptQuestion {
  private saved = '';
  private line: Widget | null = null;
  private shownPrompt = '';
  /** The output that the kernel updates, once its question has been found after a reload. */
  private displayId = '';
  private index = -1;

  constructor(
    private readonly cell: CodeCell,
    private readonly panel: NotebookPanel
  ) {
    const { sessionContext } = panel;
    const receive = (_: unknown, message: KernelMessage.IMessage): void => {
      this.receive(message);
    };
    const follow = (): void => {
      const status = kernelOf(panel)?.status ?? 'unknown';
      if (status === 'idle' || isGone(status)) {
        this.hide(); // no cell waits for an answer
      } else {
        this.update();
      }
    };
    sessionContext.iopubMessage.connect(receive);
    sessionContext.statusChanged.connect(follow);
    cell.disposed.connect(() => {
      sessionContext.iopubMessage.disconnect(receive);
      sessionContext.statusChanged.disconnect(follow);
    });
  }

  update(): void {
    const { outputs } = this.cell.model;
    const all = Array.from({ length: outputs.length }, (_, index) => outputs.get(index).toJSON());
    const index = all.findIndex(({ metadata }) => questionIn(metadata) !== null);
    const question = questionIn(all[index]?.metadata);
    if (!question) {
      this.hide();
    } else if (hasSeenExecution(this.panel)) {
      this.save(JSON.stringify(all[index]));
    } else if (kernelOf(this.panel)?.status !== 'idle') {
      this.displayId = question.display_id;
      this.index = index;
      this.ask(question.prompt);
    }
  }

  /** Save the notebook once for each question, so that a reload does not lose it. */
  private save(shown: string): void {
    const { context } = this.panel;
    if (shown === this.saved || context.model.readOnly || context.isDisposed) {
      return;
    }
    this.saved = shown;
    context.save().catch(() => undefined); // JupyterLab has shown why
  }

  private ask(prompt: string): void {
    if (this.line && prompt === this.shownPrompt) {
      return;
    }
    this.hide();
    this.shownPrompt = prompt;
    const id = uniqueId('question');
    const field = h('input', { id, type: 'text', autocomplete: 'off', spellcheck: 'false' });
    field.addEventListener('keydown', event => {
      if (event.key === 'Enter' && !event.isComposing) {
        event.preventDefault();
        field.disabled = true;
        this.answer(field.value);
      }
      event.stopPropagation();
    });
    const form = h(
      'div',
      // JupyterLab's own keys would act on the cell
      { class: 'cc-question', 'data-lm-suppress-shortcuts': true },
      h('label', { for: id }, prompt),
      field
    );
    const line = new Widget({ node: form });
    this.line = line;
    void this.cell.ready.then(() => {
      if (this.line === line && !this.cell.isDisposed) {
        (this.cell.layout as PanelLayout).addWidget(line);
      }
    });
  }

  private hide(): void {
    this.line?.dispose();
    this.line = null;
  }

  /** Send the line as the reply that the kernel waits for, whichever page it asked. */
  private answer(value: string): void {
    const parent = {} as KernelMessage.IHeader<'input_request'>;
    kernelOf(this.panel)?.sendInputReply({ status: 'ok', value }, parent);
  }

  /** Follow the output: this page did not start its cell, so JupyterLab does not. */
  private receive({ header, content }: KernelMessage.IMessage): void {
    const { data, metadata, transient } = content as Partial<IDisplayUpdate> & {
      transient?: { display_id?: string };
    };
    const isOurs =
      header.msg_type === 'update_display_data' &&
      this.displayId !== '' &&
      transient?.display_id === this.displayId;
    const { outputs } = this.cell.model;
    if (isOurs) {
      this.hide(); // an equal prompt is another question
    }
    if (isOurs && data && !hasSeenExecution(this.panel) && this.index < outputs.length) {
      outputs.set(this.index, { output_type: 'display_data', data, metadata: metadata ?? {} });
    }
  }
}
