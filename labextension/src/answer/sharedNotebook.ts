/**
 * A notebook that several pages edit at the same time, as with jupyter-collaboration.
 *
 * Each page sees the outputs of all cells, whichever page runs them. What one page does by itself,
 * such as completing an answer, is done by one page only, or the outputs would be there twice.
 */

import type { CodeCell } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';
import type { NotebookPanel } from '@jupyterlab/notebook';

/** The part of a shared document that knows the pages that are open. */
interface IAwareness {
  readonly clientID: number;
  getStates(): ReadonlyMap<number, object>;
}

/**
 * Answer each page that opens a notebook, so that it knows this page at once.
 *
 * Otherwise it would hear of this page only when that renews its state, up to 15 s later
 * (y-protocols 1.0; the server keeps no states for newcomers).
 */
export function answerNewPages({ content }: NotebookPanel): void {
  const awareness = content.model?.sharedModel.awareness;
  awareness?.on('change', ({ added }: { added: number[] }) => {
    if (added.length > 0) {
      awareness.setLocalState(awareness.getLocalState());
    }
  });
}

/** Return how many of the pages that edit a cell come before this one; 0 for the only page. */
export function pagesBefore(cell: CodeCell): number {
  const own = awarenessOf(cell)?.clientID ?? 0;
  return pagesOf(cell).filter(id => id < own).length;
}

/** Return whether other pages edit a cell as well. */
export function isShared(cell: CodeCell): boolean {
  return pagesOf(cell).length > 1;
}

/**
 * Replace the outputs of a cell.
 *
 * Those that stay are not rendered again. The other pages, however, append each output that is
 * replaced, whatever its place (JupyterLab 4.6), so where there can be any, all are removed and
 * added again: a page may not know yet of another that has just opened the notebook.
 */
export function setOutputs(cell: CodeCell, after: readonly IOutput[]): void {
  const { outputs } = cell.model;
  const before = outputs.toJSON();
  if (after.length !== before.length || canBeShared(cell)) {
    outputs.fromJSON([...after]);
    return;
  }
  for (const [index, output] of after.entries()) {
    if (output !== before[index]) {
      outputs.set(index, output);
    }
  }
}

/** Send the other pages the outputs of a cell that has ended, of which they may have lost some. */
export function shareOutputs(cell: CodeCell): void {
  if (cell.model.outputs.length > 1 && isShared(cell)) {
    setOutputs(cell, cell.model.outputs.toJSON());
  }
}

/** Return whether other pages can edit a cell: jupyter-collaboration names the user of a page. */
function canBeShared(cell: CodeCell): boolean {
  return pagesOf(cell).length > 0;
}

/** Return the pages that edit a cell; the server has a state too, which names no user. */
function pagesOf(cell: CodeCell): number[] {
  const states = awarenessOf(cell)?.getStates() ?? new Map<number, object>();
  return [...states].filter(([, state]) => 'user' in state).map(([id]) => id);
}

function awarenessOf({ model }: CodeCell): IAwareness | null {
  return (model.sharedModel as { awareness?: IAwareness | null }).awareness ?? null;
}
