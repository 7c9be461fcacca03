/** A notebook's link to its kernel; it stays the same when the kernel restarts or is replaced. */

import type { NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { type ISignal, Signal } from '@lumino/signaling';

import { VERSION } from '../app/version';
import { LinkError, notConnected } from './envelope';
import { KernelLink, type LinkStatus } from './kernelLink';
import type { IReplies, IRequests, IState } from './protocol';

const LOAD = '%load_ext cc_jupyter';

const links = new WeakMap<NotebookPanel, NotebookLink>();

export class NotebookLink {
  constructor(private readonly panel: NotebookPanel) {
    panel.sessionContext.kernelChanged.connect(() => {
      this.follow();
    });
    panel.disposed.connect(() => {
      this.link?.dispose();
      this.link = null;
      Signal.clearData(this);
    });
    this.follow();
  }

  /** The status of the link to the kernel; `closed` without a kernel. */
  get status(): LinkStatus {
    return this.link?.status ?? 'closed';
  }

  /** The last state that the kernel sent; `null` without a kernel that answers. */
  get state(): IState | null {
    return this.link?.state ?? null;
  }

  /** Emitted when the state has changed or is lost, and when the kernel is another one. */
  get stateChanged(): ISignal<this, IState | null> {
    return this.states;
  }

  /** Emitted when `status` has changed. */
  get statusChanged(): ISignal<this, LinkStatus> {
    return this.statuses;
  }

  /** Send a request to the kernel; rejects with a `LinkError`. */
  request<T extends Exclude<keyof IRequests, 'hello'>>(
    type: T,
    body: IRequests[T]
  ): Promise<IReplies[T]> {
    return this.link?.request(type, body) ?? Promise.reject(notConnected());
  }

  /** Request the state again. */
  async refresh(): Promise<void> {
    await this.link?.refresh();
  }

  /** Stop a running cell. */
  async stop(cellId: string): Promise<void> {
    await (this.link?.stop(cellId) ?? kernelOf(this.panel)?.interrupt());
  }

  /** Load the extension into the kernel without a cell; rejects if that fails. */
  async loadExtension(): Promise<void> {
    const kernel = kernelOf(this.panel);
    if (!kernel) {
      throw notConnected();
    }
    const { content } = await kernel.requestExecute({ code: LOAD, store_history: false }).done;
    if (content.status === 'error') {
      throw new LinkError(`cc_jupyter could not be loaded: ${content.ename}: ${content.evalue}`);
    }
  }

  private follow(): void {
    this.link?.dispose();
    const kernel = kernelOf(this.panel);
    this.link =
      kernel &&
      new KernelLink(kernel, { version: VERSION, notebook: () => this.panel.context.path });
    this.link?.stateChanged.connect((_, state) => {
      this.states.emit(state);
    });
    this.link?.statusChanged.connect((_, status) => {
      this.statuses.emit(status);
    });
    this.states.emit(this.state);
    this.statuses.emit(this.status);
  }

  private readonly states = new Signal<this, IState | null>(this);
  private readonly statuses = new Signal<this, LinkStatus>(this);
  private link: KernelLink | null = null;
}

/** The part of a link that the features of a cell use. */
export type ICellLink = Pick<
  NotebookLink,
  'state' | 'stateChanged' | 'request' | 'refresh' | 'stop'
>;

/** Return the connection to the kernel of a notebook; `null` if it has none. */
export function kernelOf({ sessionContext }: NotebookPanel): Kernel.IKernelConnection | null {
  return sessionContext.session?.kernel ?? null;
}

/** Return the link of a notebook, the same one each time. */
export function linkOf(panel: NotebookPanel): NotebookLink {
  let link = links.get(panel);
  if (link === undefined) {
    link = new NotebookLink(panel);
    links.set(panel, link);
  }
  return link;
}
