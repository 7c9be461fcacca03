/** Finds the notebook of a cell of which only the model is known, as in the editor's extensions. */

import type { ICellModel } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

/** Return the notebook that has a cell; `undefined` for a cell of a console. */
export function notebookOf(
  tracker: INotebookTracker,
  cell: Partial<ICellModel>
): NotebookPanel | undefined {
  return tracker.find(panel => hasCell(panel, cell));
}

/** Return whether a notebook has a cell. */
export function hasCell({ content }: NotebookPanel, { sharedModel }: Partial<ICellModel>): boolean {
  const notebook = content.model?.sharedModel;
  return notebook !== undefined && sharedModel?.notebook === notebook;
}
