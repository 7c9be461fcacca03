/** Runs stale cells again, in order, after the user has seen the estimated cost and agreed. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { CodeCell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { Widget } from '@lumino/widgets';

import { h } from '../app/dom';
import { cellWithId, runCells, sourceOf } from '../app/notebooks';
import { notifyBriefly, notifyError } from '../app/notify';
import type { ICellLink } from '../kernel/notebookLink';
import type { IRefreshPlan } from '../kernel/protocol';
import { applyEdit, isPromptSource, toggleEdit } from '../prompt/sourceEdits';

const MAX_PREVIEW_CHARACTERS = 60;

/** Ask for a confirmation and run the stale cells again. */
export async function refreshStale(panel: NotebookPanel, link: ICellLink): Promise<void> {
  try {
    const notebook = panel.context.path;
    const plan = await link.request('get_refresh_plan', { notebook });
    const cells = plan.cells.flatMap(({ cell_id: id }) => cellWithId(panel, id) ?? []);
    if (cells.length === 0) {
      notifyBriefly('No answer in this notebook is stale.');
    } else if (await confirm(plan, cells)) {
      await runCells(panel, cells);
    }
  } catch (error) {
    notifyError(error);
  }
}

async function confirm(plan: IRefreshPlan, cells: readonly CodeCell[]): Promise<boolean> {
  const count = cells.length === 1 ? 'one cell' : `${cells.length} cells`;
  const { button } = await showDialog({
    title: `Run ${count} again?`,
    body: new Widget({ node: list(plan, cells) }),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: 'Run again' })],
    defaultButton: 0
  });
  return button.accept;
}

function list({ cells: steps, cost }: IRefreshPlan, cells: readonly CodeCell[]): HTMLElement {
  const lines = steps.flatMap(step => {
    const cell = cells.find(({ model }) => model.id === step.cell_id);
    return cell
      ? h(
          'li',
          {},
          h('span', { class: 'cc-refresh-prompt' }, preview(cell)),
          h('span', { class: 'cc-refresh-why' }, `${step.reasons.join('; ')} · ${step.cost}`)
        )
      : [];
  });
  return h(
    'div',
    { class: 'cc-refresh' },
    h('ol', {}, ...lines),
    h('p', {}, 'Estimated cost: ', h('strong', {}, cost), '. Earlier answers remain as versions.')
  );
}

function preview(cell: CodeCell): string {
  const source = sourceOf(cell);
  const prompt = isPromptSource(source) ? applyEdit(source, toggleEdit(source, '')) : source;
  const line = prompt.trim().replace(/\s+/g, ' ');
  return line.length > MAX_PREVIEW_CHARACTERS
    ? `${line.slice(0, MAX_PREVIEW_CHARACTERS - 1)}…`
    : line;
}
