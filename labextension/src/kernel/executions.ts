/** The executions of a kernel, whoever asked for them: this page, another one, a console. */

import type { Kernel, KernelMessage } from '@jupyterlab/services';

export interface IExecutions {
  /** An execution has begun. */
  readonly onBegin: (execution: string, code: string) => void;
  /** It has ended, and all that it sent is here. */
  readonly onEnd: (execution: string) => void;
}

/** Follow the executions of a kernel; gives what ends that. */
export function followExecutions(
  kernel: Kernel.IKernelConnection,
  { onBegin, onEnd }: IExecutions
): () => void {
  const take = (_: unknown, { msg, direction }: Kernel.IAnyMessageArgs): void => {
    if (direction !== 'recv' || msg.channel !== 'iopub' || !('msg_id' in msg.parent_header)) {
      return;
    }
    const { msg_id: execution, msg_type: kind } = msg.parent_header;
    if (isInput(msg)) {
      onBegin(execution, msg.content.code);
    } else if (kind === 'execute_request' && isIdle(msg)) {
      onEnd(execution); // messages on comms end in the same word, hence the kind
    }
  };
  kernel.anyMessage.connect(take);
  return () => {
    kernel.anyMessage.disconnect(take);
  };
}

function isInput(msg: KernelMessage.IMessage): msg is KernelMessage.IExecuteInputMsg {
  return msg.header.msg_type === 'execute_input';
}

function isIdle(msg: KernelMessage.IMessage): boolean {
  const { execution_state: state } = msg.content as Partial<KernelMessage.IStatusMsg['content']>;
  return msg.header.msg_type === 'status' && state === 'idle';
}
