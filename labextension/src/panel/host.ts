/** What the sections of the panel need of the notebook that is current. */

import type { INotebookLink } from '../kernel/links';
import type { IState } from '../kernel/protocol';

export interface IPanelHost {
  /** The notebook's path. */
  readonly notebook: string;
  /** Ask the kernel of the notebook. */
  readonly ask: INotebookLink['request'];
  /** Show a cell; gives whether the notebook has it. */
  goTo(cellId: string): boolean;
  /** Put a new code cell below the active one. */
  insert(source: string): void;
  /** Ask the user for a name; `null`: they would rather not. */
  askName(title: string, suggestion: string): Promise<string | null>;
}

/** A section of the panel. */
export interface ISection {
  readonly title: string;
  readonly node: HTMLElement;
  /** Give a text that differs when there is something else to show. */
  version(state: IState): string;
  /** Show what there is now, of this notebook. */
  refresh(host: IPanelHost, state: IState): Promise<void>;
}

/** The whole state but for the answer that grows: it changes when something has been asked. */
export function settled(state: IState): string {
  return JSON.stringify({ ...state, running: null });
}
