/** All notebooks and their code cells, those that are there and those to come. */

import { type Cell, CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

/** Call back once for each notebook. */
export function eachNotebook(
  tracker: INotebookTracker,
  call: (panel: NotebookPanel) => void
): void {
  tracker.forEach(call);
  tracker.widgetAdded.connect((_, panel) => {
    call(panel);
  });
}

/** Call back once for each code cell. */
export function eachCodeCell(
  tracker: INotebookTracker,
  call: (cell: CodeCell, panel: NotebookPanel) => void
): void {
  eachNotebook(tracker, panel => {
    const seen = new WeakSet<Cell>();
    const look = (): void => {
      for (const cell of panel.content.widgets) {
        if (!seen.has(cell) && cell instanceof CodeCell) {
          seen.add(cell);
          call(cell, panel);
        }
      }
    };
    void panel.context.ready.then(() => {
      // behind the notebook's own listener, which makes the widgets
      panel.content.model?.cells.changed.connect(look);
      look();
    });
  });
}

/** Give the code cell with an id. */
export function cellWithId(panel: NotebookPanel, id: string): CodeCell | null {
  const found = panel.content.widgets.find(({ model }) => model.id === id);
  return found instanceof CodeCell ? found : null;
}
