/**
 * A button on each answer of a grid that makes it the active one, from which later cells continue.
 *
 * The buttons are added to the rendered page, beside the answers that the output's metadata name;
 * they are never saved. Without a kernel that has the conversation there are none.
 */

import type { CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import { button, h } from '../app/dom';
import { eachCodeCell, eachNotebook } from '../app/notebooks';
import { linkOf } from '../kernel/notebookLink';
import { gridAnswers, gridTurns, type IGridAnswer } from './gridOutputs';
import { keepAnswer } from './versions';

const BAR = 'cc-keep';

/** Add the buttons in all notebooks. */
export function addKeepButtons(tracker: INotebookTracker): void {
  eachCodeCell(tracker, (cell, panel) => {
    const observer = new MutationObserver(() => {
      updateBars(panel, cell);
    });
    observer.observe(cell.outputArea.node, { childList: true, subtree: true });
    cell.disposed.connect(() => {
      observer.disconnect();
    });
    updateBars(panel, cell);
  });
  eachNotebook(tracker, panel => {
    linkOf(panel).stateChanged.connect(() => {
      for (const cell of panel.content.widgets) {
        if (cell.model.type === 'code' && !cell.isDisposed) {
          updateBars(panel, cell as CodeCell);
        }
      }
    });
  });
}

function updateBars(panel: NotebookPanel, cell: CodeCell): void {
  const { model, widgets } = cell.outputArea;
  const state = linkOf(panel).state?.cells[cell.model.id];
  for (const [index, { node }] of widgets.entries()) {
    const turns = index < model.length ? gridTurns(model.get(index)) : null;
    const answers = turns && state ? gridAnswers(turns, node) : [];
    const shown = new Set<Element>();
    for (const answer of answers) {
      shown.add(putBar(answer, state?.turn_id === answer.turnId, panel, cell));
    }
    node.querySelectorAll(`.${BAR}`).forEach(bar => {
      if (!shown.has(bar)) {
        bar.remove();
      }
    });
  }
}

/** Return the bar below an answer, created or changed if it shows something else. */
function putBar(
  answer: IGridAnswer,
  isActive: boolean,
  panel: NotebookPanel,
  cell: CodeCell
): Element {
  const key = `${answer.turnId} ${isActive}`;
  const next = answer.node.nextElementSibling;
  const existing = next?.classList.contains(BAR) ? next : null;
  if (existing?.getAttribute('data-cc-key') === key) {
    return existing;
  }
  const keep = button(
    isActive ? '✓ Active' : 'Keep this one',
    isActive
      ? 'The cells below continue from this answer'
      : 'Make this the active answer: the cells below then continue from it',
    () => {
      if (!isActive) {
        void keepAnswer(panel, cell, linkOf(panel), answer.turnId);
      }
    }
  );
  keep.setAttribute('aria-pressed', String(isActive));
  keep.setAttribute('aria-label', `${keep.textContent}: answer ${answer.number}, ${answer.label}`);
  const bar = h('div', { class: BAR, 'data-cc-key': key }, keep);
  const hadFocus = existing?.contains(document.activeElement) === true;
  if (existing) {
    existing.replaceWith(bar);
  } else {
    answer.node.after(bar);
  }
  if (hadFocus) {
    keep.focus();
  }
  return bar;
}
