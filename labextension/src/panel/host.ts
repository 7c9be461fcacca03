/** What the sections of the panel need from the current notebook, and what the panel needs of them. */

import type { NotebookLink } from '../kernel/notebookLink';
import type { IState } from '../kernel/protocol';

export interface IPanelHost {
  /** The notebook's path. */
  readonly notebook: string;
  /** Send a request to the notebook's kernel. */
  readonly request: NotebookLink['request'];
  /** Show a cell; returns whether the notebook has it. */
  goTo(cellId: string): boolean;
  /** Insert a code cell below the active one. */
  insert(source: string): void;
  /** Make the active prompt compare models, or insert one that does; returns what was done. */
  compare(models: readonly string[]): string;
  /** Ask the user for a name; returns `null` if the user cancels. */
  askName(title: string, suggestion: string): Promise<string | null>;
}

/** A section of the panel. */
export interface ISection {
  readonly title: string;
  readonly node: HTMLElement;
  /** Return a key of what the section shows: it differs if a refresh would show something else. */
  version(state: IState): string;
  /** Show the current data of the notebook. */
  refresh(host: IPanelHost, state: IState): Promise<void>;
}

/** Return a key of the state without the progress of an answer: it changes with each request. */
export function stateKey(state: IState): string {
  return JSON.stringify({ ...state, running: null });
}
