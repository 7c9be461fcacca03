/** What can be done with one cell and its answer. */

import { Clipboard } from '@jupyterlab/apputils';
import type { Cell, CodeCell, ICellModel } from '@jupyterlab/cells';
import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';

import { type AnyOutput, answerPlace, answerText } from './answerOutputs';
import { goToCell, insertBelow } from '../app/notebookCells';
import type { ICellLink } from '../kernel/links';
import {
  type IEdit,
  isPromptText,
  optionLineOf,
  toggled,
  withModel,
  written
} from '../prompt/sourceEdits';

/** The option lines of prompts that are none for a while. */
const optionLines = new WeakMap<ICellModel, string>();

export function isPrompt({ model }: Cell): boolean {
  return model.type === 'code' && isPromptText(model.sharedModel.getSource());
}

/** Make a prompt of a cell, or of a prompt the cell it was; one step to undo. */
export function togglePrompt({ content }: NotebookPanel, cell: Cell): void {
  const source = cell.model.sharedModel.getSource();
  if (cell.model.type !== 'code') {
    const at = content.widgets.indexOf(cell);
    const notebook = content.model?.sharedModel;
    if (notebook) {
      inOneStep(notebook, () => {
        notebook.transact(() => {
          notebook.deleteCell(at);
          const metadata = { trusted: true };
          notebook.insertCell(at, { cell_type: 'code', source: `%%cmd\n${source}`, metadata });
        });
      });
    }
    content.activeCellIndex = at;
    return;
  }
  const line = optionLineOf(source);
  edit(cell.model, toggled(source, optionLines.get(cell.model) ?? ''));
  if (line !== '') {
    optionLines.set(cell.model, line);
  }
}

/** Write a model into the option line of a prompt, where a run again finds it, and run it. */
export async function runInModel(panel: NotebookPanel, cell: Cell, model: string): Promise<void> {
  const change = withModel(cell.model.sharedModel.getSource(), model);
  if (change) {
    edit(cell.model, change);
    await NotebookActions.runCells(panel.content, [cell], panel.sessionContext);
  }
}

/** Tell whether the cell shows an answer. */
export function hasAnswer(cell: Cell): boolean {
  return isCode(cell) && answerPlace(shownOutputs(cell)) >= 0;
}

/** Copy the answer as the model wrote it; without a kernel that knows it, as it was saved. */
export async function copyAnswer(panel: NotebookPanel, cell: Cell, link: ICellLink): Promise<void> {
  Clipboard.copyToSystem((await answerOf(panel, cell, link))?.markdown ?? savedText(cell));
}

/** Put the code blocks of the answer into a cell below. */
export async function insertCode(panel: NotebookPanel, cell: Cell, link: ICellLink): Promise<void> {
  const code = (await answerOf(panel, cell, link))?.one_cell ?? shownCode(cell);
  if (code !== '') {
    goToCell(panel, cell.model.id);
    insertBelow(panel, code);
  }
}

/** Tell whether the answer has code blocks. */
export function hasCode(cell: Cell): boolean {
  return isCode(cell) && /^ {0,3}(?:```|~~~)/m.test(savedText(cell));
}

/**
 * Carry a cut answer on in its own cell, which then shows all of it.
 *
 * The cell's source stays: `%cmd continue` runs in its name, and its outputs go where the answer is.
 */
export async function continueAnswer(
  { sessionContext }: NotebookPanel,
  cell: CodeCell,
  thread: string
): Promise<void> {
  const kernel = sessionContext.session?.kernel;
  if (!kernel) {
    return;
  }
  const { model, outputArea } = cell;
  const before = model.outputs.toJSON();
  const code = `%cmd continue --thread ${written(thread)}`;
  const future = kernel.requestExecute({ code, stop_on_error: true }, false, { cellId: model.id });
  model.executionState = 'running';
  outputArea.future = future;
  try {
    const { content } = await future.done;
    if (!model.isDisposed && content.status !== 'aborted') {
      model.executionCount = content.execution_count;
    }
  } finally {
    if (!model.isDisposed) {
      model.executionState = 'idle';
      const now = model.outputs.toJSON();
      if (answerPlace(now) < 0) {
        model.outputs.fromJSON([...before, ...now]); // nothing came: what was there is still true
      }
    }
  }
}

function edit({ sharedModel }: ICellModel, { from, to, insert }: IEdit): void {
  inOneStep(sharedModel, () => {
    sharedModel.updateSource(from, to, insert);
  });
}

/** Make a change that is undone alone, not with what was done just before and after. */
function inOneStep(model: object, change: () => void): void {
  const { undoManager } = model as { undoManager?: { stopCapturing(): void } | null };
  undoManager?.stopCapturing();
  change();
  undoManager?.stopCapturing();
}

async function answerOf(
  panel: NotebookPanel,
  { model: { id } }: Cell,
  link: ICellLink
): Promise<{ markdown: string; one_cell: string } | null> {
  if (!link.state?.cells[id]) {
    return null;
  }
  try {
    return await link.request('get_answer', { notebook: panel.context.path, cell_id: id });
  } catch {
    return null; // what is saved says it, too
  }
}

function savedText(cell: Cell): string {
  return isCode(cell) ? answerText(shownOutputs(cell)) : '';
}

function shownOutputs({ model: { outputs } }: CodeCell): AnyOutput[] {
  return Array.from({ length: outputs.length }, (_, place) => outputs.get(place));
}

function shownCode(cell: Cell): string {
  const blocks = isCode(cell)
    ? [...cell.outputArea.node.querySelectorAll('.jp-RenderedMarkdown pre')]
    : [];
  const codes = blocks.map(({ textContent }) => textContent.replace(/\n$/, ''));
  return codes.length < 2
    ? codes.join('')
    : codes.map((code, at) => `# block ${at + 1} of ${codes.length}\n${code}`).join('\n');
}

function isCode(cell: Cell): cell is CodeCell {
  return cell.model.type === 'code';
}
