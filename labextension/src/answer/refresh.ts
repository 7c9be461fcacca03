/** Runs again what is stale, in order; it asks first, with what that is likely to cost. */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { CodeCell } from '@jupyterlab/cells';
import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import { Widget } from '@lumino/widgets';

import { h, words } from '../app/dom';
import type { ICellLink } from '../kernel/links';
import { cellWithId } from '../app/notebooks';
import { edited, isPromptText, toggled } from '../prompt/sourceEdits';
import type { IRefreshPlan } from '../kernel/protocol';

const MOST_LETTERS = 60;

/** Ask, and run again what is stale. */
export async function refreshStale(panel: NotebookPanel, link: ICellLink): Promise<void> {
  try {
    const notebook = panel.context.path;
    const plan = await link.request('get_refresh_plan', { notebook });
    const cells = plan.cells.flatMap(({ cell_id: id }) => cellWithId(panel, id) ?? []);
    if (cells.length === 0) {
      Notification.info('No answer of this notebook is stale.', { autoClose: 3000 });
    } else if (await isAgreed(plan, cells)) {
      await NotebookActions.runCells(panel.content, cells, panel.sessionContext);
    }
  } catch (error) {
    Notification.error(words(error));
  }
}

async function isAgreed(plan: IRefreshPlan, cells: readonly CodeCell[]): Promise<boolean> {
  const count = cells.length === 1 ? 'one cell' : `${cells.length} cells`;
  const { button } = await showDialog({
    title: `Run ${count} again?`,
    body: new Widget({ node: list(plan, cells) }),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: 'Run Again' })],
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
          h('span', { class: 'cc-refresh-prompt' }, beginning(cell)),
          h('span', { class: 'cc-refresh-why' }, `${step.reasons.join('; ')} · ${step.cost}`)
        )
      : [];
  });
  return h(
    'div',
    { class: 'cc-refresh' },
    h('ol', {}, ...lines),
    h('p', {}, 'Likely cost: ', h('strong', {}, cost), '. Earlier answers are kept as versions.')
  );
}

function beginning({ model }: CodeCell): string {
  const source = model.sharedModel.getSource();
  const prompt = isPromptText(source) ? edited(source, toggled(source, '')) : source;
  const line = prompt.trim().replace(/\s+/g, ' ');
  return line.length > MOST_LETTERS ? `${line.slice(0, MOST_LETTERS - 1)}…` : line;
}
