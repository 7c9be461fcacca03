/** Notebooks and their cells: visit them all, find, read, show, insert and run a cell. */

import { type Cell, CodeCell } from '@jupyterlab/cells';
import {
  type INotebookTracker,
  type Notebook,
  NotebookActions,
  type NotebookPanel
} from '@jupyterlab/notebook';

/** Call `visit` once for each notebook, those opened later included. */
export function eachNotebook(
  tracker: INotebookTracker,
  visit: (panel: NotebookPanel) => void
): void {
  tracker.forEach(visit);
  tracker.widgetAdded.connect((_, panel) => {
    visit(panel);
  });
}

/** Call `visit` once for each code cell, those added later included. */
export function eachCodeCell(
  tracker: INotebookTracker,
  visit: (cell: CodeCell, panel: NotebookPanel) => void
): void {
  eachNotebook(tracker, panel => {
    const visited = new WeakSet<Cell>();
    const visitNew = (): void => {
      for (const cell of panel.content.widgets) {
        if (!visited.has(cell) && cell instanceof CodeCell) {
          visited.add(cell);
          visit(cell, panel);
        }
      }
    };
    void panel.context.ready.then(() => {
      // connected after the notebook's own listener, which creates the widgets
      panel.content.model?.cells.changed.connect(visitNew);
      visitNew();
    });
  });
}

/** Return the code cell with an id, or `null` if the notebook does not have it. */
export function cellWithId(panel: NotebookPanel, id: string): CodeCell | null {
  const cell = panel.content.widgets.find(({ model }) => model.id === id);
  return cell instanceof CodeCell ? cell : null;
}

/** Return the source of a cell. */
export function sourceOf({ model }: Cell): string {
  return model.sharedModel.getSource();
}

/** Run some cells of a notebook. */
export async function runCells(
  { content, sessionContext }: NotebookPanel,
  cells: readonly Cell[]
): Promise<void> {
  await NotebookActions.runCells(content, cells, sessionContext);
}

/** Call `update` now and on each change of the rendered outputs of a code cell. */
export function eachRendering(cell: CodeCell, update: () => void): void {
  const observer = new MutationObserver(update);
  observer.observe(cell.outputArea.node, { childList: true, subtree: true });
  cell.disposed.connect(() => {
    observer.disconnect();
  });
  update();
}

/** Make a cell active and scroll to it; returns whether the notebook has it. */
export function goToCell({ content }: NotebookPanel, cellId: string): boolean {
  const index = content.widgets.findIndex(({ model }) => model.id === cellId);
  if (index < 0) {
    return false;
  }
  activate(content, index);
  return true;
}

/** Insert a code cell below the active one and make it active, as one undo step. */
export function insertBelow({ content }: NotebookPanel, source: string): void {
  insertAt(content, content.activeCellIndex + 1, source);
}

/** Insert a code cell above all others, as one undo step, and run it. */
export async function runFirst(panel: NotebookPanel, source: string): Promise<void> {
  insertAt(panel.content, 0, source);
  await NotebookActions.run(panel.content, panel.sessionContext);
}

function insertAt(content: Notebook, index: number, source: string): void {
  const { model } = content;
  if (!model || model.readOnly) {
    return;
  }
  model.sharedModel.insertCell(index, { cell_type: 'code', source, metadata: { trusted: true } });
  activate(content, index);
}

function activate(content: Notebook, index: number): void {
  content.deselectAll();
  content.activeCellIndex = index;
  void content.scrollToItem(index, 'smart');
  content.activate();
}
