/** The model that prompts ask which name none: what stands at the edges of their cells. */

import type { ICellModel } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';

import type { IModelSource } from './decorations';
import type { LinkOf } from '../kernel/links';
import { eachNotebook } from '../app/notebooks';

/** Give the source of the model for a cell of whichever notebook. */
export function cellModels(
  tracker: INotebookTracker,
  linkOf: LinkOf
): (cell: Partial<ICellModel>) => IModelSource {
  const changed = new Signal<INotebookTracker, NotebookPanel>(tracker);
  eachNotebook(tracker, panel => {
    const link = linkOf(panel);
    let shown = '';
    link.stateChanged.connect(() => {
      const model = link.state?.model ?? '';
      if (model !== shown) {
        shown = model;
        changed.emit(panel);
      }
    });
  });
  return cell => ({
    current: () => {
      const panel = tracker.find(each => holds(each, cell));
      return (panel && linkOf(panel).state?.model) ?? '';
    },
    onChange: call => {
      const slot = (_: unknown, panel: NotebookPanel): void => {
        if (holds(panel, cell)) {
          call();
        }
      };
      changed.connect(slot);
      return () => {
        changed.disconnect(slot);
      };
    }
  });
}

function holds({ content }: NotebookPanel, { sharedModel }: Partial<ICellModel>): boolean {
  const notebook = content.model?.sharedModel;
  return notebook !== undefined && sharedModel?.notebook === notebook;
}
