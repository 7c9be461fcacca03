/**
 * Switches to the previous or next version of an answer: it becomes active, and the cell shows it.
 *
 * The answer among the cell's outputs is replaced, so that the saved notebook and the conversation
 * agree.
 */

import type { CodeCell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';

import { errorMessage } from '../app/dom';
import { settings } from '../app/settings';
import type { ICellLink } from '../kernel/notebookLink';
import type { IPiece, IVersions } from '../kernel/protocol';
import { answerIndex } from './answerOutputs';
import { restorePrompt, showAnswer } from './cellActions';
import { gridAnswers, gridTurns, lastGrid } from './gridOutputs';
import { VersionBar } from './versionBar';
import { adjacentVersion } from './versionStep';

const NOT_HERE = 'The conversation in this kernel does not have this answer. Run the cell again.';
const FORGOTTEN = 'The history no longer has its text, so the cell still shows the other version.';

/** The last step of each cell: steps run one after the other, however fast the key is pressed. */
const steps = new WeakMap<CodeCell, Promise<void>>();
const bars = new WeakMap<CodeCell, VersionBar>();

/** Switch to the next older (-1) or newer (1) version of a cell's answer. */
export function stepVersion(
  panel: NotebookPanel,
  cell: CodeCell,
  link: ICellLink,
  by: -1 | 1
): Promise<void> {
  return queue(cell, () => takeStep(panel, cell, link, by));
}

/**
 * Make an answer of the grid that a cell shows the active one.
 *
 * @param owner - the id of the cell that sent it: `%cmd retry` shows the grid of another cell
 */
export function keepAnswer(
  panel: NotebookPanel,
  cell: CodeCell,
  link: ICellLink,
  turnId: string,
  owner: string
): Promise<void> {
  return queue(cell, async () => {
    const bar = barOf(panel, cell, link);
    try {
      const place = { notebook: panel.context.path, cell_id: owner };
      const before = await link.request('get_versions', place);
      const found = before.versions.find(each => each.turn_id === turnId);
      if (!found) {
        bar.showError(NOT_HERE);
        return;
      }
      await activate({ panel, cell, link, place, before }, found.version);
    } catch (error) {
      bar.showError(errorMessage(error));
    }
  });
}

interface IStep {
  readonly panel: NotebookPanel;
  readonly cell: CodeCell;
  readonly link: ICellLink;
  readonly place: { readonly notebook: string; readonly cell_id: string };
  readonly before: IVersions;
}

/** Run a step after the earlier ones of its cell. */
function queue(cell: CodeCell, take: () => Promise<void>): Promise<void> {
  const step = (steps.get(cell) ?? Promise.resolve()).then(take);
  steps.set(cell, step);
  return step;
}

/** Put the prompt of the version that a cell shows into the cell; returns whether it is another. */
export function restoreShownPrompt(cell: CodeCell): boolean {
  return bars.get(cell)?.restore() ?? false;
}

async function takeStep(
  panel: NotebookPanel,
  cell: CodeCell,
  link: ICellLink,
  by: -1 | 1
): Promise<void> {
  const bar = barOf(panel, cell, link);
  const place = { notebook: panel.context.path, cell_id: cell.model.id };
  try {
    const before = await link.request('get_versions', place);
    const grid = lastGrid(cell.model.outputs.toJSON());
    // a grid shows its answers side by side: the steps go through them
    const shown = grid
      ? { ...before, versions: before.versions.filter(each => grid.includes(each.turn_id)) }
      : before;
    const version = adjacentVersion(shown, by);
    if (version !== null) {
      await activate({ panel, cell, link, place, before }, version);
    } else if (grid) {
      bar.showGrid(`There is no answer ${by < 0 ? 'before' : 'after'} the active one.`, null);
    } else {
      bar.show(before, `There is no ${by < 0 ? 'older' : 'newer'} answer.`);
    }
  } catch (error) {
    bar.showError(errorMessage(error));
  }
}

/** Activate a version; a cell that shows one answer then shows that one. */
async function activate(step: IStep, version: number): Promise<void> {
  const { panel, cell, link, place, before } = step;
  const bar = barOf(panel, cell, link);
  const answer = await link.request('choose_version', { ...place, version });
  const chosen = before.versions.find(each => each.version === version);
  if (chosen && lastGrid(cell.model.outputs.toJSON())?.includes(chosen.turn_id)) {
    if (!cell.isDisposed) {
      bar.showGrid(gridMessage(cell, chosen.turn_id), undoOf(step));
    }
    await link.refresh();
    return;
  }
  const pieces: readonly IPiece[] =
    settings.wordDiff && before.active !== null
      ? (await link.request('get_diff', { ...place, before: before.active, after: version })).pieces
      : [];
  if (!cell.isDisposed) {
    bar.applyChange(() => {
      showAnswer(cell, answer, before);
    });
    const remark = answer.outputs.length > 0 ? '' : FORGOTTEN;
    bar.show({ ...before, active: version }, remark, pieces);
  }
  await link.refresh();
}

/** Return what makes the answer active again that was so before; `null` if none was. */
function undoOf({ panel, cell, link, place, before }: IStep): (() => void) | null {
  const turnId = before.versions.find(each => each.version === before.active)?.turn_id;
  return turnId === undefined
    ? null
    : () => void keepAnswer(panel, cell, link, turnId, place.cell_id);
}

function gridMessage(cell: CodeCell, turnId: string): string {
  const { model, widgets } = cell.outputArea;
  for (const [index, { node }] of widgets.entries()) {
    const turns = index < model.length ? gridTurns(model.get(index)) : null;
    const answer = gridAnswers(turns ?? [], node).find(each => each.turnId === turnId);
    if (turns && answer) {
      return `Answer ${answer.number} of ${turns.length} is active · ${answer.label}`;
    }
  }
  return 'Another answer is active';
}

function barOf(panel: NotebookPanel, cell: CodeCell, link: ICellLink): VersionBar {
  const existing = bars.get(cell);
  if (existing) {
    return existing;
  }
  const bar = new VersionBar(cell, {
    step: by => void stepVersion(panel, cell, link, by),
    restore: ({ prompt, model }) => {
      restorePrompt(cell, prompt, model === link.state?.model ? null : model);
    },
    answer: () => cell.outputArea.widgets[answerIndex(cell.model.outputs.toJSON())]?.node ?? null
  });
  bars.set(cell, bar);
  return bar;
}
