/** Shows marks on answers, between a cell's input and its outputs, and does what a click asks for. */

import { Notification } from '@jupyterlab/apputils';
import { CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import { button, h } from '../app/dom';
import { cellWithId, eachCodeCell, eachNotebook, goToCell, runCells } from '../app/notebooks';
import { notifyBriefly, notifyError } from '../app/notify';
import { settings } from '../app/settings';
import { linkOf, type NotebookLink } from '../kernel/notebookLink';
import type { ICell } from '../kernel/protocol';
import { existingHeader, headerOf } from './answerHeader';
import { continueAnswer, isPrompt, showAnswer, shownBy } from './cellActions';
import { fateOf, fatesChanged, NOT_SHOWN } from './recovery';
import { refreshStale } from './refresh';
import { runningChanged, runningPrompt } from './stopButton';
import { stepButtons } from './versionBar';
import { stepVersion } from './versions';
import { type IPageFacts, type IWarning, type Kind, NO_FACTS, warningsOf } from './warningText';

/** Outputs of a loop may change many times a second. */
const PAUSE_MS = 100;
const UNKNOWN_MAGIC = 'UsageError: Cell magic `%%cmd` not found';

/** Show the marks in all notebooks. */
export function addWarnings(tracker: INotebookTracker): void {
  const notebooks = new WeakMap<NotebookPanel, NotebookMarks>();
  eachNotebook(tracker, panel => {
    notebooks.set(panel, new NotebookMarks(panel));
  });
  runningChanged.connect((_, panel) => notebooks.get(panel)?.begin());
  fatesChanged.connect((_, panel) => notebooks.get(panel)?.updateAll());
  eachCodeCell(tracker, (cell, panel) => {
    const marks = notebooks.get(panel);
    // the outputs decide too: a cell was cleared, pasted, or shows another version
    cell.model.outputs.changed.connect(() => {
      if (cell !== runningPrompt(panel)) {
        marks?.updateSoon();
      }
    });
    marks?.updateSoon();
  });
}

class NotebookMarks {
  private readonly shown = new WeakMap<CodeCell, string>();
  private readonly counts = new WeakMap<CodeCell, string>();
  private readonly link: NotebookLink;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly panel: NotebookPanel) {
    this.link = linkOf(panel);
    const update = (): void => {
      this.updateAll();
    };
    this.link.stateChanged.connect(update);
    panel.disposed.connect(settings.onChange(update));
    panel.disposed.connect(() => {
      clearTimeout(this.timer);
    });
  }

  /** Remove the marks on the running prompt, which no longer apply. */
  begin(): void {
    const cell = runningPrompt(this.panel);
    if (cell) {
      this.put(cell, []);
    } else {
      this.updateSoon();
    }
  }

  /** Update the marks once, after all changes of this moment. */
  updateSoon(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.updateAll();
    }, PAUSE_MS);
  }

  updateAll(): void {
    // the kernel compares variables between cells: while one runs, the marks stay
    if (this.panel.isDisposed || (this.link.state?.running && !hasFate(this.panel))) {
      return;
    }
    const cells = this.panel.content.widgets.filter(each => each instanceof CodeCell);
    const facts = this.factsOf(cells);
    for (const cell of cells) {
      const isWanted = settings.warnings && cell !== runningPrompt(this.panel);
      const state = this.link.state?.cells[cell.model.id];
      this.put(cell, isWanted ? warningsOf(state, facts.get(cell)) : []);
      this.showCount(cell, isWanted ? state : undefined);
    }
  }

  private factsOf(cells: readonly CodeCell[]): Map<CodeCell, IPageFacts> {
    const { panel, link } = this;
    const { state } = link;
    const turns = this.owners();
    const deleted = this.deletedTurns();
    const facts = new Map<CodeCell, IPageFacts>();
    for (const cell of cells) {
      const shown = shownBy(cell, id => turns.has(id));
      const owner = turns.get(shown?.turnId ?? '');
      const isElsewhere = owner !== undefined && owner !== cell.model.id;
      // `%cmd retry` shows the grid of another cell
      const isAsked = isPrompt(cell) || (shown !== null && !(shown.isGrid && isElsewhere));
      facts.set(cell, {
        ...NO_FACTS,
        isUnloaded: link.status === 'absent' && isUnknownMagic(cell),
        isAbsent: link.status === 'absent',
        fate: fateOf(panel, cell),
        shown,
        isCopy: isElsewhere,
        thread: isAsked ? (state?.thread ?? null) : null,
        deleted: isAsked ? this.takeDeleted(cell, deleted).length : 0
      });
    }
    return facts;
  }

  /** Return the cell of each active answer, by the id of its turn. */
  private owners(): Map<string | null, string> {
    const cells = Object.entries(this.link.state?.cells ?? {});
    return new Map(cells.map(([id, { turn_id: turn }]) => [turn, id]));
  }

  /** Return the cells that are part of a conversation and no longer in the notebook. */
  private deletedTurns(): Map<string, ICell> {
    const ids = new Set(this.panel.content.widgets.map(({ model }) => model.id));
    const cells = Object.entries(this.link.state?.cells ?? {});
    return new Map(cells.filter(([id, { turn_id: turn }]) => turn !== null && !ids.has(id)));
  }

  /** Return the deleted cells that a cell sends, and take them out of the map: one mark is enough. */
  private takeDeleted({ model }: CodeCell, deleted: Map<string, ICell>): readonly string[] {
    const own = this.link.state?.cells[model.id];
    const found = [...deleted]
      .filter(([, { thread, turn }]) => thread === own?.thread && turn < own.turn)
      .map(([id]) => id);
    found.forEach(id => deleted.delete(id));
    return found;
  }

  private put(cell: CodeCell, warnings: readonly IWarning[]): void {
    const key = JSON.stringify(warnings);
    if (key === (this.shown.get(cell) ?? '[]')) {
      return;
    }
    this.shown.set(cell, key);
    const act = (kind: Kind): void => {
      this.act(kind, cell).catch(notifyError);
    };
    const header = warnings.length > 0 ? headerOf(cell) : existingHeader(cell);
    header?.put('warnings', ...warnings.map(warning => element(warning, act)));
  }

  /** Show which version of its answer a cell has, if it has several. */
  private showCount(cell: CodeCell, state: ICell | undefined): void {
    const text =
      state && state.versions > 1 ? `Version ${state.active ?? '–'} of ${state.versions}` : '';
    if (text !== (this.counts.get(cell) ?? '')) {
      this.counts.set(cell, text);
      headerOf(cell).put('count', ...(text === '' ? [] : this.createCount(cell, text)));
    }
  }

  private createCount(cell: CodeCell, text: string): HTMLElement[] {
    const buttons = stepButtons(by => void stepVersion(this.panel, cell, this.link, by));
    return [...buttons, h('span', {}, text)];
  }

  private async act(kind: Kind, cell: CodeCell): Promise<void> {
    const { panel, link } = this;
    const place = { notebook: panel.context.path, cell_id: cell.model.id };
    const state = link.state?.cells[cell.model.id];
    switch (kind) {
      case 'unloaded':
        await link.loadExtension();
        await runCells(panel, [cell]);
        return;
      case 'unfinished':
        await link.loadExtension();
        return;
      case 'stale':
        await refreshStale(panel, link);
        return;
      case 'cut':
        await (state && continueAnswer(panel, cell, state.thread));
        return;
      case 'version':
        await this.show(cell);
        break;
      case 'outside':
        await link.request('bring_back', { ...place, turn_id: shownBy(cell)?.turnId ?? null });
        break;
      case 'copy':
        this.goToOriginal(cell);
        return;
      case 'thread':
        await (state && link.request('set_thread', { thread: state.thread }));
        break;
      case 'deleted':
        await link.request('leave_out', {
          ...place,
          cells: [...this.takeDeleted(cell, this.deletedTurns())]
        });
        break;
      case 'order':
        await link.request('use_page_order', { notebook: place.notebook });
        break;
      case 'arriving':
        return;
    }
    await link.refresh();
  }

  private async show({ model: { id } }: CodeCell): Promise<void> {
    const notebook = this.panel.context.path;
    const answer = await this.link.request('get_answer', { notebook, cell_id: id });
    const cell = cellWithId(this.panel, id);
    if (answer.outputs.length === 0) {
      Notification.warning(NOT_SHOWN);
    } else if (cell) {
      showAnswer(cell, answer);
    }
  }

  private goToOriginal(cell: CodeCell): void {
    const owners = this.owners();
    const turnId = shownBy(cell, id => owners.has(id))?.turnId;
    const original = owners.get(turnId ?? '');
    if (original === undefined || !goToCell(this.panel, original)) {
      notifyBriefly('The original cell is no longer in the notebook.');
    }
  }
}

function hasFate(panel: NotebookPanel): boolean {
  return panel.content.widgets.some(
    cell => cell instanceof CodeCell && fateOf(panel, cell) !== null
  );
}

/** Return whether a prompt ran in a kernel without the extension. */
function isUnknownMagic(cell: CodeCell): boolean {
  if (!isPrompt(cell)) {
    return false;
  }
  const outputs = cell.model.outputs.toJSON();
  return outputs.some(({ text }) => JSON.stringify(text ?? '').includes(UNKNOWN_MAGIC));
}

function element({ kind, text, title, action }: IWarning, act: (kind: Kind) => void): HTMLElement {
  const created =
    action === ''
      ? h('span', { title }, text)
      : button(text, title, () => {
          act(kind);
        });
  created.className = `cc-warning cc-warning-${kind}`;
  if (action !== '') {
    created.append(h('span', { class: 'cc-warning-action' }, action));
  }
  return created;
}
