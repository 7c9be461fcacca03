/**
 * A notebook that several pages edit at the same time, as with jupyter-collaboration.
 *
 * Each page sees the outputs of all cells, whichever page runs them. What one page does by itself,
 * such as completing an answer, is done by one page only, or the outputs would be there twice.
 */

import type { CodeCell } from '@jupyterlab/cells';
import type { IOutput } from '@jupyterlab/nbformat';

/** The part of a shared document that knows the pages that are open. */
interface IAwareness {
  readonly clientID: number;
  getStates(): ReadonlyMap<number, unknown>;
}

/** Return how many of the pages that edit a cell come before this one; 0 for the only page. */
export function pagesBefore(cell: CodeCell): number {
  const awareness = awarenessOf(cell);
  return awareness
    ? [...awareness.getStates().keys()].filter(id => id < awareness.clientID).length
    : 0;
}

/** Return whether other pages edit a cell as well. */
export function isShared(cell: CodeCell): boolean {
  return (awarenessOf(cell)?.getStates().size ?? 0) > 1;
}

/**
 * Replace the outputs of a cell.
 *
 * Those that stay are not rendered again. The other pages, however, append each output that is
 * replaced, whatever its place (JupyterLab 4.6), so for them all are removed and added again.
 */
export function setOutputs(cell: CodeCell, after: readonly IOutput[]): void {
  const { outputs } = cell.model;
  const before = outputs.toJSON();
  if (after.length !== before.length || isShared(cell)) {
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

function awarenessOf({ model }: CodeCell): IAwareness | null {
  return (model.sharedModel as { awareness?: IAwareness | null }).awareness ?? null;
}
