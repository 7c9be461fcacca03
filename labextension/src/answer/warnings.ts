/** Shows warnings on answers that are stale, cut off, or ran in another order. */

import { CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import { button, h } from '../app/dom';
import { eachCodeCell, eachNotebook } from '../app/notebooks';
import { settings } from '../app/settings';
import { linkOf } from '../kernel/notebookLink';
import type { IState } from '../kernel/protocol';
import { existingHeader, headerOf } from './answerHeader';
import { continueAnswer } from './cellActions';
import { refreshStale } from './refresh';
import { runningChanged, runningPrompt } from './stopButton';
import { type IWarning, warningsOf } from './warningText';

/** Show the warnings in all notebooks. */
export function addWarnings(tracker: INotebookTracker): void {
  const shown = new WeakMap<CodeCell, string>();
  const update = (panel: NotebookPanel, cell: CodeCell, state: IState | null): void => {
    const isWanted = settings.warnings && cell !== runningPrompt(panel);
    const warnings = isWanted ? warningsOf(state?.cells[cell.model.id]) : [];
    const key = JSON.stringify(warnings);
    if (key !== (shown.get(cell) ?? '[]')) {
      shown.set(cell, key);
      const act = ({ action }: IWarning): void => {
        const thread = state?.cells[cell.model.id]?.thread;
        if (action === 'Refresh…') {
          void refreshStale(panel, linkOf(panel));
        } else if (action === 'Continue' && thread !== undefined) {
          void continueAnswer(panel, cell, thread);
        }
      };
      const header = warnings.length > 0 ? headerOf(cell) : existingHeader(cell);
      header?.put('warnings', ...warnings.map(warning => element(warning, act)));
    }
  };
  eachNotebook(tracker, panel => {
    const link = linkOf(panel);
    const updateAll = (): void => {
      // the kernel compares variables between cells: while one runs, the warnings stay
      if (!link.state?.running) {
        for (const cell of panel.content.widgets) {
          if (cell instanceof CodeCell) {
            update(panel, cell, link.state);
          }
        }
      }
    };
    link.stateChanged.connect(updateAll);
    panel.disposed.connect(settings.onChange(updateAll));
  });
  runningChanged.connect((_, panel) => {
    const cell = runningPrompt(panel);
    if (cell) {
      update(panel, cell, null); // the warnings of the old answer no longer apply
    }
  });
  eachCodeCell(tracker, (cell, panel) => {
    update(panel, cell, linkOf(panel).state);
  });
}

function element(warning: IWarning, act: (warning: IWarning) => void): HTMLElement {
  const { kind, text, title, action } = warning;
  const created =
    action === ''
      ? h('span', { title }, text)
      : button(text, title, () => {
          act(warning);
        });
  created.className = `cc-warning cc-warning-${kind}`;
  if (action !== '') {
    created.append(h('span', { class: 'cc-warning-action' }, action));
  }
  return created;
}
