/** One comm with a kernel: sends requests and matches each reply to its request. */

import type { Kernel, KernelMessage } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';

import { errorFrom, type IMessage, isMessage, type LinkError, notConnected } from './envelope';
import { type IReplies, type IRequests, PROTOCOL, replyType } from './protocol';

export const TARGET = 'cc_jupyter';

/** How long to wait for a comm to get its subshell, which handles messages while cells run. */
export const SUBSHELL_LIMIT_MS = 1000;

export interface IChannelEvents {
  /** The kernel has replied to our hello, in any version of the protocol. */
  readonly onHello: (hello: IMessage) => void;
  /** The kernel has closed the comm, or does not know its target. */
  readonly onClosed: () => void;
  /** The comm's subshell was gone; a new comm may get another one. */
  readonly onSubshellLost: () => void;
}

interface IPending {
  readonly type: keyof IRequests;
  readonly resolve: (body: JSONObject) => void;
  readonly reject: (error: LinkError) => void;
}

export class Channel {
  /** Throws if this connection does not handle comms: only one of two connections to a kernel does. */
  constructor(
    private readonly kernel: Kernel.IKernelConnection,
    private readonly events: IChannelEvents
  ) {
    this.comm = kernel.createComm(TARGET);
    this.comm.onMsg = ({ content }) => {
      this.receive(content.data);
    };
    this.comm.onClose = () => {
      this.fail(this.events.onClosed);
    };
  }

  /** Open the comm with our hello. */
  async open(version: string): Promise<void> {
    await subshellReady(this.kernel, this.comm);
    if (!this.isClosed) {
      this.isOpen = true;
      this.request('hello', { version }).catch(() => undefined);
    }
  }

  request<T extends keyof IRequests>(type: T, body: IRequests[T]): Promise<IReplies[T]> {
    this.count += 1;
    const id = `${type}-${this.count}`;
    return new Promise<IReplies[T]>((resolve, reject) => {
      this.pending.set(id, {
        type,
        resolve: reply => {
          resolve(reply as unknown as IReplies[T]); // its type is checked, the schema fixes its body
        },
        reject
      });
      this.send(type, { v: PROTOCOL, type, id, body: { ...body } as JSONObject });
    });
  }

  /**
   * Close the comm and reject all pending requests.
   *
   * @param notify - whether to send a close message, which needs a living kernel
   */
  close(notify: boolean): void {
    if (this.isClosed) {
      return;
    }
    this.isClosed = true;
    closeComm(this.kernel, this.comm, this.isOpen ? { notify } : null);
    this.pending.forEach(({ reject }) => {
      reject(notConnected());
    });
    this.pending.clear();
  }

  private send(type: keyof IRequests, data: JSONObject): void {
    try {
      const future = type === 'hello' ? this.comm.open(data) : this.comm.send(data);
      // JupyterLab may assign a comm a subshell that it is just ending for an earlier comm
      future.onReply = ({ content }) => {
        if ((content as Partial<KernelMessage.IReplyErrorContent>).status === 'error') {
          this.fail(this.events.onSubshellLost);
        }
      };
    } catch {
      this.fail(this.events.onClosed); // a dead kernel accepts no messages
    }
  }

  private fail(notify: () => void): void {
    if (!this.isClosed) {
      this.close(false);
      notify();
    }
  }

  private receive(data: unknown): void {
    if (this.isClosed || !isMessage(data)) {
      return;
    }
    if (data.type === 'hello') {
      this.events.onHello(data);
    }
    const pending = this.pending.get(data.id);
    if (pending === undefined || data.v !== PROTOCOL) {
      return;
    }
    if (data.type === 'error') {
      this.pending.delete(data.id);
      pending.reject(errorFrom(data.body));
    } else if (data.type === replyType(pending.type)) {
      this.pending.delete(data.id);
      pending.resolve(data.body);
    }
  }

  private readonly comm: Kernel.IComm;
  private readonly pending = new Map<string, IPending>();
  private count = 0;
  private isOpen = false;
  private isClosed = false;
}

/**
 * Wait until JupyterLab has put a comm on a subshell of the kernel.
 *
 * Messages sent earlier go to the main shell and wait there for a busy cell. Older versions of
 * JupyterLab have no subshells; where the user has switched them off, the promise stays pending,
 * hence the time limit.
 */
export async function subshellReady(
  kernel: Kernel.IKernelConnection,
  comm: Kernel.IComm
): Promise<void> {
  const started = subshellStarted(kernel, comm);
  if (started) {
    await Promise.race([started.catch(() => undefined), delay(SUBSHELL_LIMIT_MS)]);
  }
}

/**
 * Close or dispose of a comm, only once: each time, JupyterLab counts one comm less on the subshell
 * that all comms of a target share, and it ends the subshell after the last one.
 *
 * A comm whose subshell has not started yet is disposed of after the start: otherwise the next comm
 * would get that subshell and lose it at once.
 *
 * @param opened - `null` if the comm was never opened; else whether to send a close message
 */
export function closeComm(
  kernel: Kernel.IKernelConnection,
  comm: Kernel.IComm,
  opened: { readonly notify: boolean } | null
): void {
  const started = subshellStarted(kernel, comm);
  if (comm.isDisposed) {
    return;
  }
  if (opened?.notify) {
    comm.close();
  } else if (opened || !started) {
    comm.dispose();
  } else {
    const dispose = (): void => {
      comm.dispose();
    };
    started.then(dispose, dispose);
  }
}

function subshellStarted(
  kernel: Kernel.IKernelConnection,
  comm: Kernel.IComm
): Promise<void> | null {
  const { subshellStarted: started = null } = comm as { subshellStarted?: Promise<void> };
  return kernel.supportsSubshells ? started : null;
}

export function delay(durationMs: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, durationMs));
}
