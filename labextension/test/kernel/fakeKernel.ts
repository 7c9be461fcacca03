/** A fake of a JupyterLab kernel connection, whose messages each test sends itself. */

import type { Kernel, KernelMessage } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';
import { Signal } from '@lumino/signaling';

import type { IMessage } from '../../src/kernel/envelope';

export class FakeComm {
  onMsg: (message: KernelMessage.ICommMsgMsg) => void = () => undefined;
  onClose: (message: KernelMessage.ICommCloseMsg) => void = () => undefined;
  isDisposed = false;
  /** The messages that were sent; the first one opened the comm. */
  readonly sent: IMessage[] = [];
  isOpen = false;
  isClosed = false;
  subshellStarted: Promise<void> | undefined;

  constructor(readonly target: string) {}

  /** Receives the shell's own reply to the last message. */
  private future: Partial<Kernel.IShellFuture> = {};

  open(data: JSONObject): Partial<Kernel.IShellFuture> {
    this.isOpen = true;
    return this.send(data);
  }

  send(data: JSONObject): Partial<Kernel.IShellFuture> {
    if (this.isDisposed) {
      throw new Error('Cannot send');
    }
    this.sent.push(data as unknown as IMessage);
    this.future = {};
    return this.future;
  }

  /** Report that the last message did not arrive: its subshell is gone. */
  loseSubshell(): void {
    const content = { status: 'error', ename: 'UnknownSubshellError' };
    void this.future.onReply?.({ content } as unknown as KernelMessage.IShellMessage);
  }

  close(): void {
    this.isClosed = true;
    this.dispose();
  }

  /** How often JupyterLab would count one comm less on the target's subshell. */
  disposals = 0;

  dispose(): void {
    this.isDisposed = true;
    this.disposals += 1;
  }

  /** Whether it was opened for progress only. */
  get listens(): boolean {
    return this.sent[0]?.type === 'listen';
  }

  get last(): IMessage {
    const message = this.sent.at(-1);
    if (!message) {
      throw new Error('nothing was sent');
    }
    return message;
  }

  /** Send any data from the kernel. */
  receive(data: unknown): void {
    this.onMsg({ content: { data } } as KernelMessage.ICommMsgMsg);
  }

  /** Reply to the last request. */
  reply(type: string, body: unknown, v = 1): void {
    this.receive({ v, type, id: this.last.id, body });
  }

  /** Close the comm from the kernel's side. */
  end(): void {
    this.onClose({} as KernelMessage.ICommCloseMsg);
  }
}

export class FakeKernel {
  status: Kernel.Status = 'idle';
  connectionStatus: Kernel.ConnectionStatus = 'connected';
  supportsSubshells = true;
  isDisposed = false;
  handlesComms = true;
  interrupted = 0;
  /** Resolves when the next comm is on a subshell. */
  subshellStarted: Promise<void> | undefined;
  readonly made: FakeComm[] = [];
  readonly statusChanged = new Signal<this, Kernel.Status>(this);
  readonly connectionStatusChanged = new Signal<this, Kernel.ConnectionStatus>(this);
  readonly anyMessage = new Signal<this, Kernel.IAnyMessageArgs>(this);
  readonly disposed = new Signal<this, undefined>(this);

  get connection(): Kernel.IKernelConnection {
    return this as unknown as Kernel.IKernelConnection;
  }

  /** The comms for requests. */
  get comms(): FakeComm[] {
    return this.made.filter(({ listens }) => !listens);
  }

  /** The last of them that is open, else the last one. */
  get comm(): FakeComm {
    const comm = this.comms.findLast(({ isOpen }) => isOpen) ?? this.comms.at(-1);
    if (!comm) {
      throw new Error('no comm was made');
    }
    return comm;
  }

  /** The last comm for progress. */
  get listener(): FakeComm {
    const comm = this.made.findLast(({ listens }) => listens);
    if (!comm) {
      throw new Error('no comm listens');
    }
    return comm;
  }

  createComm(target: string): FakeComm {
    if (!this.handlesComms) {
      throw new Error('Comms are disabled on this kernel connection');
    }
    const comm = new FakeComm(target);
    comm.subshellStarted = this.subshellStarted;
    this.made.push(comm);
    return comm;
  }

  interrupt(): Promise<void> {
    this.interrupted += 1;
    return Promise.resolve();
  }

  setStatus(status: Kernel.Status): void {
    this.status = status;
    this.statusChanged.emit(status);
  }

  setConnection(status: Kernel.ConnectionStatus): void {
    this.connectionStatus = status;
    this.connectionStatusChanged.emit(status);
  }

  /** Report that an execution begins, on any page. */
  begin(execution: string, code: string): void {
    this.emit(execution, 'execute_request', 'execute_input', { code, execution_count: 1 });
  }

  /** Report that an execution ends. */
  end(execution: string): void {
    this.emit(execution, 'execute_request', 'status', { execution_state: 'idle' });
  }

  /** Report that a comm message has been handled. */
  handled(request: string): void {
    this.emit(request, 'comm_msg', 'status', { execution_state: 'idle' });
  }

  private emit(parent: string, parentType: string, type: string, content: JSONObject): void {
    const msg = {
      channel: 'iopub',
      parent_header: { msg_id: parent, msg_type: parentType },
      header: { msg_type: type },
      content
    } as unknown as KernelMessage.IIOPubMessage;
    this.anyMessage.emit({ msg, direction: 'recv' });
  }
}

/** Run everything that waits for settled promises. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) {
    await Promise.resolve();
  }
}
