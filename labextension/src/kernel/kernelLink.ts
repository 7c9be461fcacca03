/**
 * KernelLink: the comms of each kernel connection, the handshake, and what the kernel said last.
 *
 * The kernel is the truth: the page asks, and asks again when a cell has ended. Of its own accord
 * the kernel only says how far an answer is, on a comm for that. A kernel that does not know us, or
 * speaks another version, is left alone.
 */

import type { Kernel, KernelMessage } from '@jupyterlab/services';
import type { IDisposable } from '@lumino/disposable';
import { type ISignal, Signal } from '@lumino/signaling';

import { after, Channel } from './channel';
import { type IMessage, notThere } from './envelope';
import { followExecutions } from './executions';
import { Listening } from './progressListener';
import { type IAsker, Standing } from './stateCache';
import { type IReplies, type IRequests, type IState, PROTOCOL } from './protocol';

export { LinkError } from './envelope';

/** How long a stop may take before the kernel is interrupted instead. */
export const STOP_LIMIT_MS = 1000;

/** How long and how often another way to the kernel is waited for when it was gone. */
export const STRAY_MS = 300;
const MOST_STRAYS = 5;

const LOADS_US = /^\s*%(?:re)?load_ext\s+cc_jupyter\b/m;
const GONE: readonly string[] = ['restarting', 'autorestarting', 'dead', 'terminating'];

/**
 * `waiting` for the kernel or its hello, `ready`, `absent` where the kernel does not know us,
 * `incompatible` where it speaks another version, `closed` for good.
 */
export type LinkStatus = 'waiting' | 'ready' | 'absent' | 'incompatible' | 'closed';

export interface ILinkOptions {
  /** Our version, for the handshake. */
  readonly version: string;
  /** Give the path of the notebook, which may be renamed. */
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
    this.known = new Standing(this.asker());
    this.openIfAlive();
  }

  get status(): LinkStatus {
    return this.now;
  }

  /** Emitted when `status` has changed. */
  get statusChanged(): ISignal<this, LinkStatus> {
    return this.statuses;
  }

  /** What the kernel said last; `null` while it is not there. */
  get state(): IState | null {
    return this.known.state;
  }

  /** Emitted when the kernel has told its state, and when it is lost. */
  get stateChanged(): ISignal<this, IState | null> {
    return this.states;
  }

  get isDisposed(): boolean {
    return this.now === 'closed';
  }

  /** Ask something; rejected with a `LinkError` if the kernel refuses, or is not there. */
  request<T extends keyof IRequests>(type: T, body: IRequests[T]): Promise<IReplies[T]> {
    if (this.channel === null || this.now !== 'ready') {
      return Promise.reject(notThere());
    }
    return this.channel.ask(type, body);
  }

  /** Ask for the state; at once or, where something of it is being asked for, when it has come. */
  async refresh(): Promise<void> {
    await this.known.refresh();
  }

  /** Stop a running cell: by a message where one arrives, else as the notebook's own button does. */
  async stop(cellId: string): Promise<void> {
    if (!(await this.hasStopped(cellId))) {
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
    clearTimeout(this.pause);
    this.drop('closed', { tell: !this.kernel.isDisposed });
    Signal.clearData(this);
  }

  // ── opening and losing

  private openIfAlive(): void {
    const isAlive = this.kernel.status === 'idle' || this.kernel.status === 'busy';
    const isFree = this.channel === null && this.pause === undefined;
    if (!isAlive || !isFree || this.isDisposed) {
      return;
    }
    try {
      this.channel = new Channel(this.kernel, {
        onHello: hello => {
          this.greet(hello);
        },
        onLost: () => {
          if (this.hasLoaded) {
            this.openLater(); // it did not know us when the comm came, and does now
          } else {
            this.drop('absent');
          }
        },
        onStray: () => {
          this.openLater();
        }
      });
    } catch {
      this.become('absent');
      return;
    }
    this.hasLoaded = false;
    this.become('waiting');
    void this.channel.open(this.options.version);
  }

  private openLater(): void {
    this.strayed += 1;
    const isEnough = this.strayed > MOST_STRAYS;
    this.drop(isEnough ? 'absent' : 'waiting');
    if (isEnough) {
      return;
    }
    clearTimeout(this.pause);
    this.pause = setTimeout(() => {
      this.pause = undefined;
      this.openIfAlive();
    }, STRAY_MS);
  }

  private greet(hello: IMessage): void {
    if (hello.v !== PROTOCOL) {
      console.warn(
        `cc_jupyter: JupyterLab's part is of version ${this.options.version}, the kernel's of` +
          ` ${JSON.stringify(hello.body.version)}, and they do not fit together: prompts work,` +
          ' what JupyterLab adds to them stays off'
      );
      this.drop('incompatible', { tell: true });
    } else if (this.now === 'waiting') {
      this.strayed = 0;
      this.listen();
      this.become('ready');
      void this.refresh();
    }
  }

  private listen(): void {
    this.listening = new Listening(this.kernel, progress => {
      this.known.hear(progress);
      if (progress.changed) {
        void this.refresh();
      }
    });
    void this.listening.open();
  }

  /** Forget the comms and what came through them. */
  private drop(standing: LinkStatus, { tell = false } = {}): void {
    const { channel, listening } = this;
    this.channel = this.listening = null;
    this.become(standing);
    listening?.close(tell);
    channel?.close(tell);
    this.known.lose();
  }

  /** Give what is needed to ask for the state. */
  private asker(): IAsker {
    return {
      isReady: () => this.now === 'ready',
      notebook: this.options.notebook,
      request: (type, body) => this.request(type, body),
      onTold: state => {
        this.states.emit(state);
      }
    };
  }

  private become(standing: LinkStatus): void {
    if (standing !== this.now) {
      this.now = standing;
      this.statuses.emit(standing);
    }
  }

  private async hasStopped(cellId: string): Promise<boolean> {
    if (!this.kernel.supportsSubshells) {
      return false; // a message would wait for the end of the cell
    }
    const answer = this.request('stop', { cell_id: cellId }).then(
      ({ stopped }) => stopped,
      () => false
    );
    return Promise.race([answer, after(STOP_LIMIT_MS).then(() => false)]);
  }

  // ── what the kernel does

  private readonly onDisposed = (): void => {
    this.dispose();
  };

  private readonly onStatus = (_: unknown, status: KernelMessage.Status): void => {
    if (GONE.includes(status)) {
      this.loading = null;
      this.drop('waiting');
    } else if (this.now === 'waiting') {
      this.openIfAlive();
    }
  };

  private readonly onConnection = (_: unknown, status: Kernel.ConnectionStatus): void => {
    if (status !== 'connected' && this.channel !== null) {
      this.drop('waiting', { tell: true }); // what is answered meanwhile is lost
    } else if (this.now === 'waiting') {
      this.openIfAlive();
    }
  };

  private readonly onBegin = (execution: string, code: string): void => {
    if (LOADS_US.test(code)) {
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
  private readonly known: Standing;
  private readonly leaveExecutions: () => void;
  private now: LinkStatus = 'waiting';
  private channel: Channel | null = null;
  private listening: Listening | null = null;
  /** The execution under way that loads the extension. */
  private loading: string | null = null;
  /** Whether the extension has been loaded since the comm was made. */
  private hasLoaded = false;
  /** How often a way to the kernel was gone since it last answered. */
  private strayed = 0;
  /** Running while the next way is waited for. */
  private pause: ReturnType<typeof setTimeout> | undefined;
}
