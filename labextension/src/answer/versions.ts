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
import type { IPiece } from '../kernel/protocol';
import { answerIndex } from './answerOutputs';
import { showAnswer } from './cellActions';
import { VersionBar } from './versionBar';
import { adjacentVersion } from './versionStep';

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
  const previous = steps.get(cell) ?? Promise.resolve();
  const step = previous.then(() => takeStep(panel, cell, link, by));
  steps.set(cell, step);
  return step;
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
    const version = adjacentVersion(before, by);
    if (version === null) {
      bar.show(before, `There is no ${by < 0 ? 'older' : 'newer'} answer.`);
      return;
    }
    const answer = await link.request('choose_version', { ...place, version });
    const pieces: readonly IPiece[] =
      settings.wordDiff && before.active !== null
        ? (await link.request('get_diff', { ...place, before: before.active, after: version }))
            .pieces
        : [];
    if (!cell.isDisposed) {
      bar.applyChange(() => {
        showAnswer(cell, answer, before);
      });
      const remark = answer.outputs.length > 0 ? '' : FORGOTTEN;
      bar.show({ ...before, active: version }, remark, pieces);
    }
    await link.refresh();
  } catch (error) {
    bar.showError(errorMessage(error));
  }
}

function barOf(panel: NotebookPanel, cell: CodeCell, link: ICellLink): VersionBar {
  const existing = bars.get(cell);
  if (existing) {
    return existing;
  }
  const bar = new VersionBar(cell, {
    step: by => void stepVersion(panel, cell, link, by),
    answer: () => cell.outputArea.widgets[answerIndex(cell.model.outputs.toJSON())]?.node ?? null
  });
  bars.set(cell, bar);
  return bar;
}
