/** The model of prompts without `-m`, which is shown at the edge of their cells. */

import type { ICellModel } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';

import { eachNotebook } from '../app/notebooks';
import { linkOf } from '../kernel/notebookLink';
import { hasCell, notebookOf } from './cellNotebook';
import type { IDefaultModel } from './decorations';

/** Return a function that returns the default model of a cell in any notebook. */
export function defaultModels(
  tracker: INotebookTracker
): (cell: Partial<ICellModel>) => IDefaultModel {
  const changed = new Signal<INotebookTracker, NotebookPanel>(tracker);
  eachNotebook(tracker, panel => {
    const link = linkOf(panel);
    let last = '';
    link.stateChanged.connect(() => {
      const model = link.state?.model ?? '';
      if (model !== last) {
        last = model;
        changed.emit(panel);
      }
    });
  });
  return cell => ({
    current: () => {
      const panel = notebookOf(tracker, cell);
      return (panel && linkOf(panel).state?.model) ?? '';
    },
    onChange: listener => {
      const slot = (_: unknown, panel: NotebookPanel): void => {
        if (hasCell(panel, cell)) {
          listener();
        }
      };
      changed.connect(slot);
      return () => {
        changed.disconnect(slot);
      };
    }
  });
}
