/** Sends the kernel the order of the cells: their ids from top to bottom, on each change. */

import { type INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';

import { eachNotebook } from '../app/notebooks';
import { type ICellLink, linkOf } from './notebookLink';

const PAUSE_MS = 100;

/** Keep the kernels of all notebooks up to date. */
export function syncCellOrder(tracker: INotebookTracker): void {
  const orders = new WeakMap<object, CellOrder>();
  eachNotebook(tracker, panel => {
    orders.set(panel.content, new CellOrder(panel, linkOf(panel)));
  });
  // a cell that was just moved and is run at once must run with its new order
  NotebookActions.executionScheduled.connect((_, { notebook }) => {
    orders.get(notebook)?.send();
  });
}

class CellOrder {
  private sent = '';
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isLinked = false;

  constructor(
    private readonly panel: NotebookPanel,
    private readonly link: ICellLink
  ) {
    link.stateChanged.connect(() => {
      const isLinked = link.state !== null;
      if (isLinked && !this.isLinked) {
        this.sent = ''; // another kernel, or the same one restarted
        this.send();
      }
      this.isLinked = isLinked;
    });
    void panel.context.ready.then(() => {
      panel.content.model?.cells.changed.connect(() => {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => {
          this.send();
        }, PAUSE_MS);
      });
    });
    panel.context.pathChanged.connect(() => {
      this.send();
    });
  }

  /** Send the order if it has changed since it was last sent. */
  send(): void {
    clearTimeout(this.timer);
    const { content, context, isDisposed } = this.panel;
    if (isDisposed || this.link.state === null) {
      return;
    }
    const cells = content.widgets.map(({ model }) => model.id);
    const body = { notebook: context.path, cells };
    const key = JSON.stringify(body);
    if (key === this.sent) {
      return;
    }
    this.sent = key;
    this.link.request('set_order', body).then(
      () => this.link.refresh(), // the warnings may have changed
      () => {
        this.sent = '';
      }
    );
  }
}
