/** One comm with a kernel: questions go out, and each answer finds who asked. */

import type { Kernel, KernelMessage } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';

import { type IMessage, isMessage, type LinkError, notThere, refusal } from './envelope';
import { type IReplies, type IRequests, PROTOCOL, REPLY_TYPES } from './protocol';

export const TARGET = 'cc_jupyter';

/** How long a comm's way beside running cells is waited for. */
export const SUBSHELL_LIMIT_MS = 1000;

export interface IChannelEvents {
  /** The kernel has said hello, in whatever version. */
  readonly onHello: (hello: IMessage) => void;
  /** The kernel has closed the comm, or never knew it. */
  readonly onLost: () => void;
  /** The way to the kernel was gone; another comm may find one. */
  readonly onStray: () => void;
}

interface IPending {
  readonly type: keyof IRequests;
  readonly resolve: (body: JSONObject) => void;
  readonly reject: (error: LinkError) => void;
}

export class Channel {
  /** Throws where this connection does not handle comms: of two to a kernel, one does. */
  constructor(
    private readonly kernel: Kernel.IKernelConnection,
    private readonly events: IChannelEvents
  ) {
    this.comm = kernel.createComm(TARGET);
    this.comm.onMsg = ({ content }) => {
      this.take(content.data);
    };
    this.comm.onClose = () => {
      this.lose();
    };
  }

  /** Open the comm with our hello. */
  async open(version: string): Promise<void> {
    await subshellOf(this.kernel, this.comm);
    if (!this.isOver) {
      this.isOpen = true;
      this.ask('hello', { version }).catch(() => undefined);
    }
  }

  ask<T extends keyof IRequests>(type: T, body: IRequests[T]): Promise<IReplies[T]> {
    this.asked += 1;
    const id = `${type}-${this.asked}`;
    return new Promise<IReplies[T]>((resolve, reject) => {
      this.pending.set(id, {
        type,
        resolve: answer => {
          resolve(answer as unknown as IReplies[T]); // its type is compared, its body documented
        },
        reject
      });
      this.send(type, { v: PROTOCOL, type, id, body: { ...body } as JSONObject });
    });
  }

  /**
   * Leave the comm; who still waits hears that nobody answers.
   *
   * @param tell - whether the kernel is there to be told
   */
  close(tell: boolean): void {
    if (this.isOver) {
      return;
    }
    this.isOver = true;
    leave(this.kernel, this.comm, this.isOpen ? { tell } : null);
    this.pending.forEach(({ reject }) => {
      reject(notThere());
    });
    this.pending.clear();
  }

  private send(type: keyof IRequests, data: JSONObject): void {
    try {
      const future = type === 'hello' ? this.comm.open(data) : this.comm.send(data);
      // JupyterLab may give a comm the subshell that it is just ending for an earlier one
      future.onReply = ({ content }) => {
        if ((content as Partial<KernelMessage.IReplyErrorContent>).status === 'error') {
          this.lose(this.events.onStray);
        }
      };
    } catch {
      this.lose(); // a dead kernel takes no message
    }
  }

  private lose(tell = this.events.onLost): void {
    if (!this.isOver) {
      this.close(false);
      tell();
    }
  }

  private take(data: unknown): void {
    if (this.isOver || !isMessage(data)) {
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
      pending.reject(refusal(data.body));
    } else if (data.type === REPLY_TYPES[pending.type]) {
      this.pending.delete(data.id);
      pending.resolve(data.body);
    }
  }

  private readonly comm: Kernel.IComm;
  private readonly pending = new Map<string, IPending>();
  private asked = 0;
  private isOpen = false;
  private isOver = false;
}

/**
 * Wait until JupyterLab has put a comm on a subshell of the kernel.
 *
 * What is sent earlier goes to the main shell and waits there for a busy cell. Older JupyterLabs
 * have no subshells, and where the user switched them off the promise stays open.
 */
export async function subshellOf(
  kernel: Kernel.IKernelConnection,
  comm: Kernel.IComm
): Promise<void> {
  const started = startOf(kernel, comm);
  if (started) {
    await Promise.race([started.catch(() => undefined), after(SUBSHELL_LIMIT_MS)]);
  }
}

/**
 * Close a comm, or only forget it; once, since each time JupyterLab counts one comm less on the
 * subshell that all of a target share, and ends it behind the last.
 *
 * One whose subshell is still to come is kept until then: else the next comm would get that subshell
 * and lose it at once.
 *
 * @param opened - `null`: the kernel has not heard of it; else whether it is there to be told
 */
export function leave(
  kernel: Kernel.IKernelConnection,
  comm: Kernel.IComm,
  opened: { readonly tell: boolean } | null
): void {
  const started = startOf(kernel, comm);
  if (comm.isDisposed) {
    return;
  }
  if (opened?.tell) {
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

function startOf(kernel: Kernel.IKernelConnection, comm: Kernel.IComm): Promise<void> | null {
  const { subshellStarted = null } = comm as { subshellStarted?: Promise<void> };
  return kernel.supportsSubshells ? subshellStarted : null;
}

export function after(delayMs: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, delayMs));
}
