/** Tells the kernel which cells stand where: the ids from top to bottom, whenever they change. */

import { type INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';

import type { ICellLink, LinkOf } from './links';
import { eachNotebook } from '../app/notebooks';

const PAUSE_MS = 100;

/** Tell the order of all notebooks. */
export function addOrder(tracker: INotebookTracker, linkOf: LinkOf): void {
  const tellers = new WeakMap<object, Order>();
  eachNotebook(tracker, panel => {
    tellers.set(panel.content, new Order(panel, linkOf(panel)));
  });
  // a cell that was moved and runs at once is sent with what stands above it now
  NotebookActions.executionScheduled.connect((_, { notebook }) => {
    tellers.get(notebook)?.tell();
  });
}

class Order {
  private told = '';
  private timer: ReturnType<typeof setTimeout> | undefined;
  private isLinked = false;

  constructor(
    private readonly panel: NotebookPanel,
    private readonly link: ICellLink
  ) {
    link.stateChanged.connect(() => {
      const isLinked = link.state !== null;
      if (isLinked && !this.isLinked) {
        this.told = ''; // another kernel, or the same one restarted
        this.tell();
      }
      this.isLinked = isLinked;
    });
    void panel.context.ready.then(() => {
      panel.content.model?.cells.changed.connect(() => {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => {
          this.tell();
        }, PAUSE_MS);
      });
    });
    panel.context.pathChanged.connect(() => {
      this.tell();
    });
  }

  /** Tell the order, if it is another than was told last. */
  tell(): void {
    clearTimeout(this.timer);
    const { content, context, isDisposed } = this.panel;
    if (isDisposed || this.link.state === null) {
      return;
    }
    const cells = content.widgets.map(({ model }) => model.id);
    const body = { notebook: context.path, cells };
    const key = JSON.stringify(body);
    if (key === this.told) {
      return;
    }
    this.told = key;
    this.link.request('set_order', body).then(
      () => this.link.refresh(), // the marks may be others
      () => {
        this.told = '';
      }
    );
  }
}
