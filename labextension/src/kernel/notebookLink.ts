/** A notebook's link to whichever kernel it has: the same one through restarts and changes. */

import type { NotebookPanel } from '@jupyterlab/notebook';
import { type ISignal, Signal } from '@lumino/signaling';

import { notThere } from './envelope';
import { KernelLink, type LinkStatus } from './kernelLink';
import type { IReplies, IRequests, IState } from './protocol';

const LINKS = new WeakMap<NotebookPanel, NotebookLink>();

export class NotebookLink {
  constructor(
    private readonly panel: NotebookPanel,
    private readonly version: string
  ) {
    panel.sessionContext.kernelChanged.connect(() => {
      this.follow();
    });
    panel.disposed.connect(() => {
      this.leave();
    });
    this.follow();
  }

  /** How it stands with the kernel; `closed`: there is none. */
  get status(): LinkStatus {
    return this.link?.status ?? 'closed';
  }

  /** What the kernel said last; `null`: nobody answers there. */
  get state(): IState | null {
    return this.link?.state ?? null;
  }

  /** Emitted when the state has been told, is lost, or the kernel is another one. */
  get stateChanged(): ISignal<this, IState | null> {
    return this.states;
  }

  /** Emitted when `status` has changed. */
  get statusChanged(): ISignal<this, LinkStatus> {
    return this.standings;
  }

  /** Ask the kernel something; rejected with a `LinkError`. */
  request<T extends keyof IRequests>(type: T, body: IRequests[T]): Promise<IReplies[T]> {
    return this.link?.request(type, body) ?? Promise.reject(notThere());
  }

  /** Ask for the state anew. */
  async refresh(): Promise<void> {
    await this.link?.refresh();
  }

  /** Stop a running cell. */
  async stop(cellId: string): Promise<void> {
    await (this.link?.stop(cellId) ?? this.panel.sessionContext.session?.kernel?.interrupt());
  }

  private follow(): void {
    this.link?.dispose();
    const kernel = this.panel.sessionContext.session?.kernel ?? null;
    this.link =
      kernel &&
      new KernelLink(kernel, { version: this.version, notebook: () => this.panel.context.path });
    this.link?.stateChanged.connect((_, state) => {
      this.states.emit(state);
    });
    this.link?.statusChanged.connect((_, status) => {
      this.standings.emit(status);
    });
    this.states.emit(this.state);
    this.standings.emit(this.status);
  }

  private leave(): void {
    this.link?.dispose();
    this.link = null;
    Signal.clearData(this);
  }

  private readonly states = new Signal<this, IState | null>(this);
  private readonly standings = new Signal<this, LinkStatus>(this);
  private link: KernelLink | null = null;
}

/** How features get the link of a notebook. */
export type LinkOf = (panel: NotebookPanel) => NotebookLink;

/** Give the link of a notebook, the same one each time. */
export function linkOf(panel: NotebookPanel, version: string): NotebookLink {
  let link = LINKS.get(panel);
  if (link === undefined) {
    link = new NotebookLink(panel, version);
    LINKS.set(panel, link);
  }
  return link;
}
