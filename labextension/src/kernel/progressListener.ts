/**
 * A second comm with a kernel, on which the kernel reports the progress of an answer.
 *
 * For each message that it handles, the kernel reports that it is busy and then idle, and JupyterLab
 * shows this as the kernel's status. So the page sends nothing while a cell runs: it only listens.
 */

import type { Kernel } from '@jupyterlab/services';
import type { JSONObject } from '@lumino/coreutils';

import { closeComm, subshellReady, TARGET } from './channel';
import { isMessage } from './envelope';
import { type IProgress, PROTOCOL } from './protocol';

export class ProgressListener {
  constructor(
    private readonly kernel: Kernel.IKernelConnection,
    onProgress: (progress: IProgress) => void
  ) {
    this.comm = kernel.createComm(TARGET);
    this.comm.onMsg = ({ content: { data } }) => {
      if (isMessage(data) && data.v === PROTOCOL && data.type === 'progress') {
        onProgress(data.body as unknown as IProgress); // the schema fixes its body
      }
    };
  }

  /** Open the comm; a kernel that does not know `listen` sends nothing on it. */
  async open(): Promise<void> {
    await subshellReady(this.kernel, this.comm);
    if (this.isClosed || this.comm.isDisposed) {
      return;
    }
    this.isOpen = true;
    const data: JSONObject = { v: PROTOCOL, type: 'listen', id: 'listen-0', body: {} };
    try {
      this.comm.open(data);
    } catch {
      // a dead kernel accepts no messages; the link learns of it from the kernel's status
    }
  }

  /**
   * Close the comm.
   *
   * @param notify - whether to send a close message, which needs a living kernel
   */
  close(notify: boolean): void {
    this.isClosed = true;
    closeComm(this.kernel, this.comm, this.isOpen ? { notify } : null);
  }

  private readonly comm: Kernel.IComm;
  private isOpen = false;
  private isClosed = false;
}
