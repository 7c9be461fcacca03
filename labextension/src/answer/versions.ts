/**
 * The previous and the next version of an answer: it counts at once, and the notebook shows it.
 *
 * The answer among the cell's outputs is replaced by the other version's, so that what is saved and
 * what the conversation holds agree.
 */

import type { CodeCell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';

import { answerPlace, withAnswer } from './answerOutputs';
import { words } from '../app/dom';
import type { ICellLink } from '../kernel/links';
import type { IAnswer, IPiece, IVersions } from '../kernel/protocol';
import { settings } from '../app/settings';
import { VersionBar } from './versionBar';
import { neighbour } from './versionStep';

const FORGOTTEN = 'The history does not hold it any more, so the cell shows the other one.';

/** One step of a cell after the other, however fast the key is pressed. */
const steps = new WeakMap<CodeCell, Promise<void>>();
const bars = new WeakMap<CodeCell, VersionBar>();

/** Let the next older (-1) or newer (1) version of a cell's answer count. */
export function stepVersion(
  panel: NotebookPanel,
  cell: CodeCell,
  link: ICellLink,
  by: -1 | 1
): Promise<void> {
  const before = steps.get(cell) ?? Promise.resolve();
  const step = before.then(() => take(panel, cell, link, by));
  steps.set(cell, step);
  return step;
}

async function take(
  panel: NotebookPanel,
  cell: CodeCell,
  link: ICellLink,
  by: -1 | 1
): Promise<void> {
  const bar = barOf(panel, cell, link);
  const ask = { notebook: panel.context.path, cell_id: cell.model.id };
  try {
    const before = await link.request('get_versions', ask);
    const version = neighbour(before, by);
    if (version === null) {
      bar.show(before, `There is no ${by < 0 ? 'older' : 'newer'} answer.`);
      return;
    }
    const answer = await link.request('choose_version', { ...ask, version });
    const pieces =
      before.active === null ? [] : await difference(ask, before.active, version, link);
    if (!cell.isDisposed) {
      bar.expectChange(() => {
        putAnswer(cell, answer, before);
      });
      const remark = answer.outputs.length > 0 ? '' : FORGOTTEN;
      bar.show({ ...before, active: version }, remark, pieces);
    }
    await link.refresh();
  } catch (error) {
    bar.complain(words(error));
  }
}

async function difference(
  ask: { notebook: string; cell_id: string },
  before: number,
  after: number,
  link: ICellLink
): Promise<readonly IPiece[]> {
  return settings.wordDiff
    ? (await link.request('get_diff', { ...ask, before, after })).pieces
    : [];
}

function putAnswer({ model: { outputs } }: CodeCell, answer: IAnswer, where: IVersions): void {
  const before = outputs.toJSON();
  const shown = answer.outputs.map(({ output_type, data, metadata }) => ({
    output_type,
    data: { ...data },
    metadata: { ...metadata } as Record<string, never>
  }));
  if (shown.length === 0) {
    return; // `%cmd forget`, or a disk that cannot be read
  }
  const after = withAnswer(before, shown, where);
  if (after.length !== before.length) {
    outputs.fromJSON(after);
    return;
  }
  for (const [place, output] of after.entries()) {
    if (output !== before[place]) {
      outputs.set(place, output); // what stays is not drawn anew
    }
  }
}

function barOf(panel: NotebookPanel, cell: CodeCell, link: ICellLink): VersionBar {
  const known = bars.get(cell);
  if (known) {
    return known;
  }
  const bar = new VersionBar(cell, {
    step: by => void stepVersion(panel, cell, link, by),
    answer: () => cell.outputArea.widgets[answerPlace(cell.model.outputs.toJSON())]?.node ?? null
  });
  bars.set(cell, bar);
  return bar;
}
