/** Marks on answers: stale, cut, or sent with other turns before them than stand above them. */

import { CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import { continueAnswer } from './cellActions';
import { h } from '../app/dom';
import type { LinkOf } from '../kernel/links';
import { type IMark, marksOf } from './warningText';
import { eachCodeCell, eachNotebook } from '../app/notebooks';
import type { IState } from '../kernel/protocol';
import { refreshStale } from './refresh';
import { settings } from '../app/settings';
import { runningChanged, runningPrompt } from './stopButton';
import { knownStrip, stripOf } from './answerHeader';

/** Have the marks in all notebooks. */
export function addMarks(tracker: INotebookTracker, linkOf: LinkOf): void {
  const drawn = new WeakMap<CodeCell, string>();
  const draw = (panel: NotebookPanel, cell: CodeCell, state: IState | null): void => {
    const isWanted = settings.marks && cell !== runningPrompt(panel);
    const marks = isWanted ? marksOf(state?.cells[cell.model.id]) : [];
    const key = JSON.stringify(marks);
    if (key !== (drawn.get(cell) ?? '[]')) {
      drawn.set(cell, key);
      const act = ({ action }: IMark): void => {
        const thread = state?.cells[cell.model.id]?.thread;
        if (action === 'Refresh…') {
          void refreshStale(panel, linkOf(panel));
        } else if (action === 'Continue' && thread !== undefined) {
          void continueAnswer(panel, cell, thread);
        }
      };
      const strip = marks.length > 0 ? stripOf(cell) : knownStrip(cell);
      strip?.put('marks', ...marks.map(mark => element(mark, act)));
    }
  };
  eachNotebook(tracker, panel => {
    const link = linkOf(panel);
    const drawAll = (): void => {
      // variables are looked at between cells: while one runs the marks stay as they are
      if (!link.state?.running) {
        for (const cell of panel.content.widgets) {
          if (cell instanceof CodeCell) {
            draw(panel, cell, link.state);
          }
        }
      }
    };
    link.stateChanged.connect(drawAll);
    panel.disposed.connect(settings.onChange(drawAll));
  });
  runningChanged.connect((_, panel) => {
    const cell = runningPrompt(panel);
    if (cell) {
      draw(panel, cell, null); // what was said of the answer before does not hold any more
    }
  });
  eachCodeCell(tracker, (cell, panel) => {
    draw(panel, cell, linkOf(panel).state);
  });
}

function element(mark: IMark, act: (mark: IMark) => void): HTMLElement {
  const look = { class: `cc-mark cc-mark-${mark.kind}`, title: mark.title };
  if (mark.action === '') {
    return h('span', look, mark.text);
  }
  const action = h('span', { class: 'cc-mark-do' }, mark.action);
  const button = h('button', { ...look, type: 'button' }, mark.text, action);
  button.addEventListener('click', () => {
    act(mark);
  });
  return button;
}
