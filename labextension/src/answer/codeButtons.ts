/**
 * Buttons on the code blocks of answers: copy, and insert as a cell below.
 *
 * They are added to what is on the page, again whenever an answer is drawn again; the outputs
 * themselves, and so the file, know nothing of them.
 */

import { Clipboard } from '@jupyterlab/apputils';
import type { CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { addBelowIcon, copyIcon } from '@jupyterlab/ui-components';
import type { Widget } from '@lumino/widgets';

import { aboutOf } from './answerOutputs';
import { h } from '../app/dom';
import { iconButton } from '../app/icons';
import { goToCell, insertBelow } from '../app/notebookCells';
import { eachCodeCell } from '../app/notebooks';
import { settings } from '../app/settings';

const BAR = 'cc-code-bar';
const CODE = '.jp-RenderedMarkdown pre';

/** Have the buttons in all notebooks. */
export function addCodeButtons(tracker: INotebookTracker): void {
  eachCodeCell(tracker, (cell, panel) => {
    const update = (): void => {
      markBlocks(panel, cell);
    };
    const { node } = cell.outputArea;
    const observer = new MutationObserver(update);
    observer.observe(node, { childList: true, subtree: true });
    const end = settings.onChange(update);
    cell.disposed.connect(() => {
      observer.disconnect();
      end();
    });
    update();
  });
}

function markBlocks(panel: NotebookPanel, cell: CodeCell): void {
  const { model, widgets } = cell.outputArea;
  for (const [place, widget] of widgets.entries()) {
    // the input of a running cell is a widget, too, but no output
    const isAnswer = place < model.length && aboutOf(model.get(place).metadata) !== null;
    if (isAnswer && settings.codeButtons) {
      addBars(widget, panel, cell);
    } else {
      widget.node.querySelectorAll(`.${BAR}`).forEach(bar => {
        bar.remove();
      });
    }
  }
}

function addBars(answer: Widget, panel: NotebookPanel, cell: CodeCell): void {
  for (const block of answer.node.querySelectorAll(CODE)) {
    if (!block.previousElementSibling?.classList.contains(BAR)) {
      block.before(barOf(block, panel, cell));
    }
  }
}

function barOf(block: Element, panel: NotebookPanel, cell: CodeCell): HTMLElement {
  const code = (): string => block.textContent.replace(/\n$/, '');
  return h(
    'div',
    { class: BAR, role: 'group', 'aria-label': 'Code block' },
    iconButton(copyIcon, 'Copy this code', 'normal', () => {
      Clipboard.copyToSystem(code());
    }),
    iconButton(addBelowIcon, 'Insert this code as a cell below', 'normal', () => {
      goToCell(panel, cell.model.id);
      insertBelow(panel, code());
    })
  );
}
