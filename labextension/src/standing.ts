/** What a kernel said last of where the notebook stands, and asking it again: one question at a time. */

import { LinkError } from './envelope';
import type { IReplies, IRequests, IState } from './protocol';

/** How often a running prompt's progress is asked for. */
export const POLL_MS = 500;

export interface IAsker {
  /** Tell whether the kernel answers. */
  readonly isReady: () => boolean;
  /** Give the notebook's path. */
  readonly notebook: () => string;
  request<T extends keyof IRequests>(type: T, body: IRequests[T]): Promise<IReplies[T]>;
  /** The state has been told, or is lost. */
  onTold(state: IState | null): void;
}

export class Standing {
  constructor(private readonly asker: IAsker) {}

  /** What the kernel said last; `null` while it is not there. */
  get state(): IState | null {
    return this.told;
  }

  /** Ask for the state; at once or, where something of it is being asked for, when it has come. */
  async refresh(): Promise<void> {
    this.isStale = true;
    await this.catchUp();
  }

  /** Ask for the progress of an execution, until it ends. */
  follow(execution: string): void {
    this.leave();
    this.followed = execution;
    this.timer = setInterval(() => {
      this.isDue = true;
      void this.catchUp();
    }, POLL_MS);
  }

  /** An execution has ended, so that all may be different. */
  async end(execution: string): Promise<void> {
    if (execution === this.followed) {
      this.leave();
    }
    await this.refresh();
  }

  /** The kernel is lost, and what it said with it. */
  lose(): void {
    this.leave();
    if (this.told !== null) {
      this.tell(null);
    }
  }

  private leave(): void {
    clearInterval(this.timer);
    this.followed = null;
    this.isDue = false;
  }

  private async catchUp(): Promise<void> {
    if (this.isAsking) {
      return;
    }
    this.isAsking = true;
    try {
      while ((this.isStale || this.isDue) && this.asker.isReady()) {
        this.tell(await this.newest());
      }
    } catch (error) {
      if (!(error instanceof LinkError)) {
        throw error;
      } // else the state stays as it was: who asks for something sees the error there
    } finally {
      this.isAsking = false;
    }
  }

  private async newest(): Promise<IState | null> {
    const onlyProgress = !this.isStale && this.told !== null;
    this.isStale = this.isDue = false;
    if (!onlyProgress) {
      return this.asker.request('get_state', { notebook: this.asker.notebook() });
    }
    const { running } = await this.asker.request('get_running', {});
    return this.told && { ...this.told, running };
  }

  private tell(state: IState | null): void {
    this.told = state;
    this.asker.onTold(state);
  }

  private told: IState | null = null;
  private isAsking = false;
  /** Whether the state may have changed since it was asked for. */
  private isStale = false;
  /** Whether the running prompt's progress is to be asked for. */
  private isDue = false;
  /** The execution whose progress is asked for. */
  private followed: string | null = null;
  private timer: ReturnType<typeof setInterval> | undefined;
}
