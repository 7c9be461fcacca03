/**
 * KernelLink: the comms with one kernel, the handshake, and the last state that the kernel sent.
 *
 * The kernel owns the state: the page requests it, and requests it again when a cell has ended. The
 * only thing that the kernel sends without a request is the progress of an answer, on a comm of its
 * own. A kernel that does not know the comm target, or speaks another version, gets no requests.
 */

import type { Kernel, KernelMessage } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import { Channel, delay } from './channel';
import { type IMessage, notConnected } from './envelope';
import { followExecutions, isGone } from './executions';
import { ProgressListener } from './progressListener';
import { type IReplies, type IRequests, type IState, PROTOCOL } from './protocol';
import { StateCache } from './stateCache';

/** How long a stop may take before the kernel is interrupted instead. */
export const STOP_LIMIT_MS = 1000;

/** The pause before another comm is opened after a lost subshell, and how often this is tried. */
export const RETRY_MS = 300;
const MAX_RETRIES = 5;

const LOADS_EXTENSION = /^\s*%(?:re)?load_ext\s+cc_jupyter\b/m;

/**
 * `waiting` for the kernel or its hello, `ready`, `absent` if the kernel does not know the comm
 * target, `incompatible` if it speaks another version, `closed` for good.
 */
export type LinkStatus = 'waiting' | 'ready' | 'absent' | 'incompatible' | 'closed';

export interface ILinkOptions {
  /** Our version, for the handshake. */
  readonly version: string;
  /** Return the path of the notebook, which may be renamed. */
  readonly notebook: () => string;
}

export class KernelLink implements IDisposable {
  constructor(
    private readonly kernel: Kernel.IKernelConnection,
    private readonly options: ILinkOptions
  ) {
    kernel.statusChanged.connect(this.onStatus);
    kernel.connectionStatusChanged.connect(this.onConnection);
    kernel.disposed.connect(this.onDisposed);
    this.leaveExecutions = followExecutions(kernel, { onBegin: this.onBegin, onEnd: this.onEnd });
    this.cache = new StateCache({
      isReady: () => this.status === 'ready',
      notebook: options.notebook,
      request: (type, body) => this.request(type, body),
      onState: state => {
        this.states.emit(state);
      }
    });
    this.openIfAlive();
  }

  get status(): LinkStatus {
    return this.currentStatus;
  }

  /** Emitted when `status` has changed. */
  get statusChanged(): ISignal<this, LinkStatus> {
    return this.statuses;
  }

  /** The last state that the kernel sent; `null` while it does not answer. */
  get state(): IState | null {
    return this.cache.state;
  }

  /** Emitted when the kernel has sent its state, and when the kernel is lost. */
  get stateChanged(): ISignal<this, IState | null> {
    return this.states;
  }

  get isDisposed(): boolean {
    return this.status === 'closed';
  }

  /** Send a request; rejects with a `LinkError` if the kernel refuses it or does not answer. */
  request<T extends keyof IRequests>(type: T, body: IRequests[T]): Promise<IReplies[T]> {
    if (this.channel === null || this.status !== 'ready') {
      return Promise.reject(notConnected());
    }
    return this.channel.request(type, body);
  }

  /** Request the state now or, if a request is pending, again after its reply. */
  async refresh(): Promise<void> {
    await this.cache.refresh();
  }

  /** Stop a running cell: by a message if one arrives, else by interrupting the kernel. */
  async stop(cellId: string): Promise<void> {
    if (!(await this.stopByMessage(cellId))) {
      await this.kernel.interrupt();
    }
  }

  dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this.kernel.statusChanged.disconnect(this.onStatus);
    this.kernel.connectionStatusChanged.disconnect(this.onConnection);
    this.kernel.disposed.disconnect(this.onDisposed);
    this.leaveExecutions();
    clearTimeout(this.retryTimer);
    this.disconnect('closed', { notify: !this.kernel.isDisposed });
    Signal.clearData(this);
  }

  private openIfAlive(): void {
    const isAlive = this.kernel.status === 'idle' || this.kernel.status === 'busy';
    const isFree = this.channel === null && this.retryTimer === undefined;
    if (!isAlive || !isFree || this.isDisposed) {
      return;
    }
    const retry = (): void => {
      this.retryLater();
    };
    try {
      this.channel = new Channel(this.kernel, {
        onHello: hello => {
          this.onHello(hello);
        },
        onClosed: () => {
          if (this.hasLoaded) {
            retry(); // the extension was loaded after the kernel had closed the comm
          } else {
            this.disconnect('absent');
          }
        },
        onSubshellLost: retry
      });
    } catch {
      this.setStatus('absent');
      return;
    }
    this.hasLoaded = false;
    this.setStatus('waiting');
    void this.channel.open(this.options.version);
  }

  private retryLater(): void {
    this.retries += 1;
    if (this.retries > MAX_RETRIES) {
      this.disconnect('absent');
      return;
    }
    this.disconnect('waiting');
    clearTimeout(this.retryTimer);
    this.retryTimer = setTimeout(() => {
      this.retryTimer = undefined;
      this.openIfAlive();
    }, RETRY_MS);
  }

  private onHello(hello: IMessage): void {
    if (hello.v !== PROTOCOL) {
      console.warn(
        `cc_jupyter: version ${this.options.version} in JupyterLab and version` +
          ` ${JSON.stringify(hello.body.version)} in the kernel are incompatible. Prompts work,` +
          ' but the JupyterLab features are off.'
      );
      this.disconnect('incompatible', { notify: true });
    } else if (this.status === 'waiting') {
      this.retries = 0;
      this.listen();
      this.setStatus('ready');
      void this.refresh();
    }
  }

  private listen(): void {
    this.listener = new ProgressListener(this.kernel, progress => {
      this.cache.setProgress(progress);
      if (progress.changed) {
        void this.refresh();
      }
    });
    void this.listener.open();
  }

  /** Close the comms and forget what came through them. */
  private disconnect(status: LinkStatus, { notify = false } = {}): void {
    const { channel, listener } = this;
    this.channel = this.listener = null;
    this.setStatus(status);
    listener?.close(notify);
    channel?.close(notify);
    this.cache.clear();
  }

  private setStatus(status: LinkStatus): void {
    if (status !== this.status) {
      this.currentStatus = status;
      this.statuses.emit(status);
    }
  }

  private async stopByMessage(cellId: string): Promise<boolean> {
    if (!this.kernel.supportsSubshells) {
      return false; // a message would wait for the end of the cell
    }
    const reply = this.request('stop', { cell_id: cellId }).then(
      ({ stopped }) => stopped,
      () => false
    );
    return Promise.race([reply, delay(STOP_LIMIT_MS).then(() => false)]);
  }

  private readonly onDisposed = (): void => {
    this.dispose();
  };

  private readonly onStatus = (_: unknown, status: KernelMessage.Status): void => {
    if (isGone(status)) {
      this.loading = null;
      this.disconnect('waiting');
    } else if (this.status === 'waiting') {
      this.openIfAlive();
    }
  };

  private readonly onConnection = (_: unknown, status: Kernel.ConnectionStatus): void => {
    if (status !== 'connected' && this.channel !== null) {
      this.disconnect('waiting', { notify: true }); // replies sent meanwhile are lost
    } else if (this.status === 'waiting') {
      this.openIfAlive();
    }
  };

  private readonly onBegin = (execution: string, code: string): void => {
    if (LOADS_EXTENSION.test(code)) {
      this.loading = execution;
    }
  };

  private readonly onEnd = (execution: string): void => {
    if (execution === this.loading) {
      this.loading = null;
      this.hasLoaded = true;
      this.openIfAlive();
    }
    void this.refresh();
  };

  private readonly statuses = new Signal<this, LinkStatus>(this);
  private readonly states = new Signal<this, IState | null>(this);
  private readonly cache: StateCache;
  private readonly leaveExecutions: () => void;
  private currentStatus: LinkStatus = 'waiting';
  private channel: Channel | null = null;
  private listener: ProgressListener | null = null;
  /** The running execution that loads the extension. */
  private loading: string | null = null;
  /** Whether the extension has been loaded since the comm was made. */
  private hasLoaded = false;
  /** How many comms have lost their subshell since the kernel last answered. */
  private retries = 0;
  /** Set during the pause before the next comm. */
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
}
