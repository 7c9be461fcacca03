/** The actions on one cell and its answer. */

import { Clipboard } from '@jupyterlab/apputils';
import type { Cell, CodeCell, ICellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';

import { goToCell, insertBelow, runCells, sourceOf } from '../app/notebooks';
import { type ICellLink, kernelOf } from '../kernel/notebookLink';
import type { IAnswer } from '../kernel/protocol';
import {
  applyEdit,
  type IEdit,
  isPromptSource,
  modelEdit,
  modelsEdit,
  optionLineOf,
  quoted,
  textEdit,
  toggleEdit
} from '../prompt/sourceEdits';
import {
  answerIndex,
  answerText,
  type AnyOutput,
  hasUnfinished,
  type IShownAnswer,
  type ITurnRef,
  replaceAnswer,
  shownAnswer
} from './answerOutputs';
import { setOutputs } from './sharedNotebook';

/** The option lines of prompts that were turned back into ordinary cells. */
const optionLines = new WeakMap<ICellModel, string>();

export function isPrompt(cell: Cell): boolean {
  return isCode(cell) && isPromptSource(sourceOf(cell));
}

/** Turn a cell into a prompt, or a prompt back into what it was, as one undo step. */
export function togglePrompt({ content }: NotebookPanel, cell: Cell): void {
  const source = sourceOf(cell);
  if (cell.model.type !== 'code') {
    const index = content.widgets.indexOf(cell);
    const notebook = content.model?.sharedModel;
    if (notebook) {
      asOneStep(notebook, () => {
        notebook.transact(() => {
          notebook.deleteCell(index);
          const metadata = { trusted: true };
          notebook.insertCell(index, { cell_type: 'code', source: `%%cmd\n${source}`, metadata });
        });
      });
    }
    content.activeCellIndex = index;
    return;
  }
  const line = optionLineOf(source);
  edit(cell.model, toggleEdit(source, optionLines.get(cell.model) ?? ''));
  if (line !== '') {
    optionLines.set(cell.model, line);
  }
}

/** Write a model into the option line of a prompt, so that later runs use it too, and run it. */
export async function runInModel(panel: NotebookPanel, cell: Cell, model: string): Promise<void> {
  const change = modelEdit(sourceOf(cell), model);
  if (change) {
    edit(cell.model, change);
    await runCells(panel, [cell]);
  }
}

/** Make a prompt ask several models, as one undo step; returns whether the cell is a prompt. */
export function compareIn(cell: Cell, models: readonly string[]): boolean {
  const change = isPrompt(cell) ? modelsEdit(sourceOf(cell), models) : null;
  if (change) {
    edit(cell.model, change);
  }
  return change !== null;
}

/** Put the prompt and the model of a version into its cell, as one undo step. */
export function restorePrompt(cell: Cell, prompt: string, id: string | null): void {
  const source = sourceOf(cell);
  const text = textEdit(source, prompt);
  if (!text) {
    return;
  }
  const restored = applyEdit(source, text);
  const change = id === null ? null : modelEdit(restored, id);
  const insert = change ? applyEdit(restored, change) : restored;
  edit(cell.model, { from: 0, to: source.length, insert });
}

/** Return whether the cell shows an answer. */
export function hasAnswer(cell: Cell): boolean {
  return isCode(cell) && answerIndex(outputsOf(cell)) >= 0;
}

/** Return what the cell shows of its last answer; see `shownAnswer`. */
export function shownBy(
  cell: CodeCell,
  isKnown?: (turnId: string) => boolean
): IShownAnswer | null {
  return shownAnswer(outputsOf(cell), isKnown);
}

/** Return whether the cell shows the beginning of an answer and lacks its end. */
export function isUnfinished(cell: CodeCell): boolean {
  return hasUnfinished(outputsOf(cell));
}

/** Copy the answer as the model wrote it or, if the kernel does not have it, as it was saved. */
export async function copyAnswer(panel: NotebookPanel, cell: Cell, link: ICellLink): Promise<void> {
  Clipboard.copyToSystem((await getAnswer(panel, cell, link))?.markdown ?? savedText(cell));
}

/** Insert the code blocks of the answer as a cell below. */
export async function insertCode(panel: NotebookPanel, cell: Cell, link: ICellLink): Promise<void> {
  const code = (await getAnswer(panel, cell, link))?.one_cell ?? shownCode(cell);
  if (code !== '') {
    goToCell(panel, cell.model.id);
    insertBelow(panel, code);
  }
}

/** Replace the answer of a turn among the outputs of a cell; the other outputs stay. */
export function showAnswer(cell: CodeCell, answer: IAnswer, turn?: ITurnRef): void {
  const shown = answer.outputs.map(({ output_type, data, metadata }) => ({
    output_type,
    data: { ...data },
    metadata: { ...metadata } as Record<string, never>
  }));
  // there is none after `%cmd forget`, or if the history file cannot be read
  if (shown.length > 0) {
    setOutputs(cell, replaceAnswer(cell.model.outputs.toJSON(), shown, turn));
  }
}

/** Return whether the answer has code blocks. */
export function hasCode(cell: Cell): boolean {
  return /^ {0,3}(?:```|~~~)/m.test(savedText(cell));
}

/**
 * Continue an answer that was cut off, in its own cell, which then shows the whole answer.
 *
 * The cell's source does not change: `%cmd continue` runs with the cell's id and outputs.
 */
export async function continueAnswer(
  panel: NotebookPanel,
  cell: CodeCell,
  thread: string
): Promise<void> {
  const kernel = kernelOf(panel);
  if (!kernel) {
    return;
  }
  const { model, outputArea } = cell;
  const before = model.outputs.toJSON();
  const code = `%cmd continue --thread ${quoted(thread)}`;
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
      const after = model.outputs.toJSON();
      if (answerIndex(after) < 0) {
        model.outputs.fromJSON([...before, ...after]); // no answer came: the old one is still valid
      }
    }
  }
}

function edit({ sharedModel }: ICellModel, { from, to, insert }: IEdit): void {
  asOneStep(sharedModel, () => {
    sharedModel.updateSource(from, to, insert);
  });
}

/** Make a change that is undone alone, without the changes just before and after it. */
function asOneStep(model: object, change: () => void): void {
  const { undoManager } = model as { undoManager?: { stopCapturing(): void } | null };
  undoManager?.stopCapturing();
  change();
  undoManager?.stopCapturing();
}

async function getAnswer(
  panel: NotebookPanel,
  { model: { id } }: Cell,
  link: ICellLink
): Promise<IAnswer | null> {
  if (!link.state?.cells[id]) {
    return null;
  }
  try {
    return await link.request('get_answer', { notebook: panel.context.path, cell_id: id });
  } catch {
    return null; // the saved outputs have the answer too
  }
}

function savedText(cell: Cell): string {
  return isCode(cell) ? answerText(outputsOf(cell)) : '';
}

function outputsOf({ model: { outputs } }: CodeCell): AnyOutput[] {
  return Array.from({ length: outputs.length }, (_, index) => outputs.get(index));
}

function shownCode(cell: Cell): string {
  const blocks = isCode(cell)
    ? [...cell.outputArea.node.querySelectorAll('.jp-RenderedMarkdown pre')]
    : [];
  const codes = blocks.map(({ textContent }) => textContent.replace(/\n$/, ''));
  return codes.length < 2
    ? codes.join('')
    : codes.map((code, index) => `# block ${index + 1} of ${codes.length}\n${code}`).join('\n\n');
}

function isCode(cell: Cell): cell is CodeCell {
  return cell.model.type === 'code';
}
