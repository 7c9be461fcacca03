/**
 * A button on each answer of a grid that makes it the active one, from which later cells continue.
 *
 * The buttons are added to the rendered page, beside the answers that the output's metadata name;
 * they are never saved. Without a kernel that has the conversation there are none.
 */

import type { CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import { button, h } from '../app/dom';
import { eachCodeCell, eachNotebook, eachRendering } from '../app/notebooks';
import { linkOf } from '../kernel/notebookLink';
import { gridAnswers, gridTurns, type IGridAnswer, ownerOf } from './gridOutputs';
import { keepAnswer } from './versions';

const BAR = 'cc-keep';

/** Add the buttons in all notebooks. */
export function addKeepButtons(tracker: INotebookTracker): void {
  eachCodeCell(tracker, (cell, panel) => {
    eachRendering(cell, () => {
      updateBars(panel, cell);
    });
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
  const cells = linkOf(panel).state?.cells ?? {};
  for (const [index, { node }] of widgets.entries()) {
    const turns = index < model.length ? gridTurns(model.get(index)) : null;
    const owner = turns && ownerOf(turns, cell.model.id, cells);
    const answers = turns && owner !== null ? gridAnswers(turns, node) : [];
    const activeId = cells[owner ?? '']?.turn_id;
    const shown = new Set<Element>();
    for (const answer of answers) {
      const keep = (): void => {
        void keepAnswer(panel, cell, linkOf(panel), answer.turnId, owner ?? '');
      };
      shown.add(putBar(answer, activeId === answer.turnId, keep));
    }
    node.querySelectorAll(`.${BAR}`).forEach(bar => {
      if (!shown.has(bar)) {
        bar.remove();
      }
    });
  }
}

/** Return the bar below an answer, created or changed if it shows something else. */
function putBar(answer: IGridAnswer, isActive: boolean, act: () => void): Element {
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
        act();
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
