/** What a kernel said last of where the notebook stands, and asking it again: one question at a time. */

import { LinkError } from './envelope';
import type { IProgress, IReplies, IRequests, IState } from './protocol';

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

  /** The kernel has said how far an answer is; the rest of the state is as it was. */
  hear({ running }: IProgress): void {
    if (this.told !== null) {
      this.tell({ ...this.told, running });
    }
  }

  /** The kernel is lost, and what it said with it. */
  lose(): void {
    if (this.told !== null) {
      this.tell(null);
    }
  }

  private async catchUp(): Promise<void> {
    if (this.isAsking) {
      return;
    }
    this.isAsking = true;
    try {
      while (this.isStale && this.asker.isReady()) {
        this.isStale = false;
        this.tell(await this.asker.request('get_state', { notebook: this.asker.notebook() }));
      }
    } catch (error) {
      if (!(error instanceof LinkError)) {
        throw error;
      } // else the state stays as it was: who asks for something sees the error there
    } finally {
      this.isAsking = false;
    }
  }

  private tell(state: IState | null): void {
    this.told = state;
    this.asker.onTold(state);
  }

  private told: IState | null = null;
  private isAsking = false;
  /** Whether the state may have changed since it was asked for. */
  private isStale = false;
}
