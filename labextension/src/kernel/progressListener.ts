/**
 * A second comm with a kernel, on which the page only listens: to how far an answer is.
 *
 * Around each message that it handles the kernel says that it is busy, then idle, and JupyterLab
 * shows that for the kernel's status. So while a cell runs nothing is asked.
 */

import type { Kernel } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';

import { leave, subshellOf, TARGET } from './channel';
import { isMessage } from './envelope';
import { type IProgress, PROTOCOL } from './protocol';

export class Listening {
  constructor(
    private readonly kernel: Kernel.IKernelConnection,
    onProgress: (progress: IProgress) => void
  ) {
    this.comm = kernel.createComm(TARGET);
    this.comm.onMsg = ({ content: { data } }) => {
      if (isMessage(data) && data.v === PROTOCOL && data.type === 'progress') {
        onProgress(data.body as unknown as IProgress); // its body is documented
      }
    };
  }

  /** Open the comm; a kernel that does not know of it stays silent there. */
  async open(): Promise<void> {
    await subshellOf(this.kernel, this.comm);
    if (this.isOver || this.comm.isDisposed) {
      return;
    }
    this.isOpen = true;
    const data: JSONObject = { v: PROTOCOL, type: 'listen', id: 'listen-0', body: {} };
    try {
      this.comm.open(data);
    } catch {
      // a dead kernel takes no message, and the link hears of its end
    }
  }

  /**
   * Leave the comm.
   *
   * @param tell - whether the kernel is there to be told
   */
  close(tell: boolean): void {
    this.isOver = true;
    leave(this.kernel, this.comm, this.isOpen ? { tell } : null);
  }

  private readonly comm: Kernel.IComm;
  private isOpen = false;
  private isOver = false;
}
