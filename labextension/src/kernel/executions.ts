/** The executions of a kernel, started by this page, another one or a console. */

import type { Kernel, KernelMessage } from '@jupyterlab/services';

export interface IExecutionEvents {
  /** An execution has begun. */
  readonly onBegin: (execution: string, code: string) => void;
  /** An execution has ended, and all its messages have arrived. */
  readonly onEnd: (execution: string) => void;
}

const GONE: readonly Kernel.Status[] = ['restarting', 'autorestarting', 'dead', 'terminating'];

/** Return whether a kernel with this status has lost everything it knew. */
export function isGone(status: Kernel.Status): boolean {
  return GONE.includes(status);
}

/** Report the executions of a kernel; returns a function that stops this. */
export function followExecutions(
  kernel: Kernel.IKernelConnection,
  { onBegin, onEnd }: IExecutionEvents
): () => void {
  const receive = (_: unknown, { msg, direction }: Kernel.IAnyMessageArgs): void => {
    if (direction !== 'recv' || msg.channel !== 'iopub' || !('msg_id' in msg.parent_header)) {
      return;
    }
    const { msg_id: execution, msg_type: type } = msg.parent_header;
    if (isInput(msg)) {
      onBegin(execution, msg.content.code);
    } else if (type === 'execute_request' && isIdle(msg)) {
      onEnd(execution); // comm messages end with the same status, hence the type
    }
  };
  kernel.anyMessage.connect(receive);
  return () => {
    kernel.anyMessage.disconnect(receive);
  };
}

/** Return whether a message reports the beginning of an execution. */
export function isInput(msg: KernelMessage.IMessage): msg is KernelMessage.IExecuteInputMsg {
  return msg.header.msg_type === 'execute_input';
}

/** Return whether a message reports that the kernel is idle. */
export function isIdle(msg: KernelMessage.IMessage): boolean {
  const { execution_state: state } = msg.content as Partial<KernelMessage.IStatusMsg['content']>;
  return msg.header.msg_type === 'status' && state === 'idle';
}
