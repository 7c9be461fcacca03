/**
 * The estimated costs of grids, which are shown at the edge of their cells.
 *
 * The kernel is asked only after a pause in typing and never while a cell runs: a message then makes
 * the kernel look idle for a moment.
 */

import type { ICellModel } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import { kernelOf, linkOf, type NotebookLink } from '../kernel/notebookLink';
import type { IEstimate } from '../kernel/protocol';
import { notebookOf } from './cellNotebook';
import { promptParts } from './sourceEdits';

export const PAUSE_MS = 700;

/** An editor may be created before its notebook is; a console has none. */
const MAX_TRIES = 10;

/** The costs of one cell. */
export interface IGridCosts {
  /** Return the last estimate of the grid in a source, and ask for a new one if it differs. */
  estimate(source: string): IEstimate | null;
  /** Ask again if anything has run since the last estimate. */
  refresh(): void;
  /** Call `listener` on each new estimate; returns a function that stops this. */
  onChange(listener: () => void): () => void;
}

/** The part of a notebook that estimates use. */
export interface IEstimatingNotebook {
  readonly path: string;
  readonly link: Pick<NotebookLink, 'state' | 'stateChanged' | 'request'>;
  /** Return whether a cell runs or waits. */
  readonly isBusy: () => boolean;
}

/** Return a function that returns the costs of a cell in any notebook. */
export function gridCosts(tracker: INotebookTracker): (cell: Partial<ICellModel>) => IGridCosts {
  return cell => {
    const notebook = (): IEstimatingNotebook | null => {
      const panel = notebookOf(tracker, cell);
      return panel
        ? { path: panel.context.path, link: linkOf(panel), isBusy: () => isBusy(panel) }
        : null;
    };
    return new CellCosts(() => cell.id ?? '', notebook);
  };
}

/** The estimates of one cell; at most one question is under way. */
export class CellCosts implements IGridCosts {
  private readonly listeners = new Set<() => void>();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private link: IEstimatingNotebook['link'] | null = null;
  private wanted = '';
  private asked = '';
  private isAsking = false;
  private tries = 0;
  private shown: { line: string; estimate: IEstimate } | null = null;
  /** The state of the kernel at the last question: a run changes what is sent along. */
  private state: unknown = null;

  constructor(
    private readonly cellId: () => string,
    private readonly notebook: () => IEstimatingNotebook | null
  ) {}

  estimate(source: string): IEstimate | null {
    if (source !== this.wanted) {
      this.wanted = source;
      this.askSoon();
    }
    // while the prompt is typed, the cost of the same options changes little
    return this.shown?.line === promptParts(source)?.line ? (this.shown?.estimate ?? null) : null;
  }

  refresh(): void {
    if (this.wanted !== '' && this.state !== null && this.link?.state !== this.state) {
      this.asked = '';
      this.askSoon();
    }
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
      if (this.listeners.size === 0) {
        clearTimeout(this.timer);
        this.wanted = ''; // the editor asks again when it has loaded the language of prompts
        this.link?.stateChanged.disconnect(this.onState);
        this.link = null;
      }
    };
  }

  private askSoon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.ask(), PAUSE_MS);
  }

  private async ask(): Promise<void> {
    const notebook = this.notebook();
    const source = this.wanted;
    const parts = promptParts(source);
    if (!notebook && this.tries < MAX_TRIES) {
      this.tries += 1;
      this.askSoon();
    }
    if (!notebook || !parts || source === this.asked || this.isAsking) {
      return;
    }
    this.follow(notebook.link);
    const { state } = notebook.link;
    if (state?.running !== null || notebook.isBusy()) {
      return; // the next state, after the cell has ended, asks again
    }
    this.asked = source;
    this.state = state;
    this.isAsking = true;
    let estimate: IEstimate | null = null;
    try {
      const cell = { notebook: notebook.path, cell_id: this.cellId() };
      estimate = await notebook.link.request('get_estimate', { ...cell, ...parts });
    } catch {
      // the line is incomplete, or a model or key is unknown: running the cell explains it
    }
    this.isAsking = false;
    this.shown = estimate && { line: parts.line, estimate };
    this.listeners.forEach(listener => {
      listener();
    });
    if (this.wanted !== source) {
      this.askSoon();
    }
  }

  private follow(link: IEstimatingNotebook['link']): void {
    if (link === this.link) {
      return;
    }
    this.link?.stateChanged.disconnect(this.onState);
    this.link = link;
    link.stateChanged.connect(this.onState);
  }

  private readonly onState = (): void => {
    const state = this.link?.state ?? null;
    if (state === null) {
      this.asked = ''; // another kernel has other conversations
    } else if (state.running === null && this.asked !== this.wanted) {
      this.askSoon();
    }
  };
}

function isBusy(panel: NotebookPanel): boolean {
  // a message lets a busy kernel look idle for a moment, never the cell
  const runs = panel.content.widgets.some(
    ({ model }) => (model as { executionState?: string }).executionState === 'running'
  );
  return runs || kernelOf(panel)?.status !== 'idle';
}
