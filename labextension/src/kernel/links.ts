/** The link between a notebook and its kernel, as features know it. */

import type { NotebookPanel } from '@jupyterlab/notebook';
import type { ISignal } from '@lumino/signaling';

import type { LinkStatus } from './kernelLink';
import { linkOf as linkFor } from './notebookLink';
import type { IReplies, IRequests, IState } from './protocol';
import { VERSION } from '../app/version';

export interface INotebookLink {
  /** How it stands with the kernel; `closed`: there is none. */
  readonly status: LinkStatus;
  /** What the kernel said last; `null`: nobody answers there. */
  readonly state: IState | null;
  readonly stateChanged: ISignal<unknown, unknown>;
  readonly statusChanged: ISignal<unknown, unknown>;
  /** Ask the kernel something; rejected with a sentence that says why not. */
  request<T extends Exclude<keyof IRequests, 'hello'>>(
    type: T,
    body: IRequests[T]
  ): Promise<IReplies[T]>;
  /** Ask for the state anew. */
  refresh(): Promise<void>;
  /** Stop a running cell. */
  stop(cellId: string): Promise<void>;
}

/** What is needed of it for a cell. */
export type ICellLink = Pick<
  INotebookLink,
  'state' | 'stateChanged' | 'request' | 'refresh' | 'stop'
>;

export type LinkOf = (panel: NotebookPanel) => INotebookLink;

/** Give the link of a notebook, the same one each time. */
export const linkOf: LinkOf = panel => linkFor(panel, VERSION);
