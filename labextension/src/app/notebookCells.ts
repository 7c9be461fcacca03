/** Cells of a notebook: found by their ids, shown, and put in; each insertion is one step to undo. */

import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';

/** Show a cell and make it the active one; gives whether the notebook has it. */
export function goToCell({ content }: NotebookPanel, cellId: string): boolean {
  const at = content.widgets.findIndex(({ model }) => model.id === cellId);
  const cell = content.widgets[at];
  if (!cell) {
    return false;
  }
  content.deselectAll();
  content.activeCellIndex = at;
  void content.scrollToItem(at, 'smart');
  content.activate();
  return true;
}

/** Put a code cell below the active one and make it the active one. */
export function insertBelow(panel: NotebookPanel, source: string): void {
  insertAt(panel, panel.content.activeCellIndex + 1, source);
}

/** Put a code cell before all others and run it. */
export async function runFirst(panel: NotebookPanel, source: string): Promise<void> {
  insertAt(panel, 0, source);
  await NotebookActions.run(panel.content, panel.sessionContext);
}

function insertAt({ content }: NotebookPanel, at: number, source: string): void {
  const { model } = content;
  if (!model || model.readOnly) {
    return;
  }
  model.sharedModel.insertCell(at, { cell_type: 'code', source, metadata: { trusted: true } });
  content.deselectAll();
  content.activeCellIndex = at;
  void content.scrollToItem(at, 'smart');
  content.activate();
}
