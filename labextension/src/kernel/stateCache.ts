/** The last state that a kernel sent of a notebook; requests a new one, one request at a time. */

import { LinkError } from './envelope';
import type { IProgress, IReplies, IRequests, IState } from './protocol';

export interface IStateSource {
  /** Return whether the kernel answers requests. */
  readonly isReady: () => boolean;
  /** Return the notebook's path. */
  readonly notebook: () => string;
  request<T extends keyof IRequests>(type: T, body: IRequests[T]): Promise<IReplies[T]>;
  /** Called with each new state, and with `null` when the kernel is lost. */
  onState(state: IState | null): void;
}

export class StateCache {
  constructor(private readonly source: IStateSource) {}

  /** The last state; `null` while there is no kernel that answers. */
  get state(): IState | null {
    return this.last;
  }

  /** Request the state now or, if a request is pending, again after its reply. */
  async refresh(): Promise<void> {
    this.isOutdated = true;
    await this.update();
  }

  /** Take over the progress of an answer; the rest of the state stays the same. */
  setProgress({ running }: IProgress): void {
    if (this.last !== null) {
      this.set({ ...this.last, running });
    }
  }

  /** Forget the state of a kernel that is lost. */
  clear(): void {
    if (this.last !== null) {
      this.set(null);
    }
  }

  private async update(): Promise<void> {
    if (this.isPending) {
      return;
    }
    this.isPending = true;
    try {
      while (this.isOutdated && this.source.isReady()) {
        this.isOutdated = false;
        this.set(await this.source.request('get_state', { notebook: this.source.notebook() }));
      }
    } catch (error) {
      if (!(error instanceof LinkError)) {
        throw error;
      } // else the last state stays; a request that the user makes shows the error
    } finally {
      this.isPending = false;
    }
  }

  private set(state: IState | null): void {
    this.last = state;
    this.source.onState(state);
  }

  private last: IState | null = null;
  private isPending = false;
  /** Whether the state may have changed since the last request. */
  private isOutdated = false;
}
