/**
 * Buttons on the code blocks of answers: copy, and insert as a cell below.
 *
 * They are added to the rendered page, again whenever an answer is rendered again; they are not
 * part of the outputs and are never saved.
 */

import { Clipboard } from '@jupyterlab/apputils';
import type { CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { addBelowIcon, copyIcon } from '@jupyterlab/ui-components';
import type { Widget } from '@lumino/widgets';

import { h } from '../app/dom';
import { iconButton } from '../app/icons';
import { eachCodeCell, eachRendering, goToCell, insertBelow } from '../app/notebooks';
import { settings } from '../app/settings';
import { answerMetadata } from './answerOutputs';

const BAR = 'cc-code-bar';
const CODE = '.jp-RenderedMarkdown pre';

/** Add the buttons in all notebooks. */
export function addCodeButtons(tracker: INotebookTracker): void {
  eachCodeCell(tracker, (cell, panel) => {
    const update = (): void => {
      updateBars(panel, cell);
    };
    cell.disposed.connect(settings.onChange(update));
    eachRendering(cell, update);
  });
}

function updateBars(panel: NotebookPanel, cell: CodeCell): void {
  const { model, widgets } = cell.outputArea;
  for (const [index, widget] of widgets.entries()) {
    // a running cell that waits for input has a widget for it, which is not an output
    const isAnswer = index < model.length && answerMetadata(model.get(index).metadata) !== null;
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
      block.before(createBar(block, panel, cell));
    }
  }
}

function createBar(block: Element, panel: NotebookPanel, cell: CodeCell): HTMLElement {
  const code = (): string => block.textContent.replace(/\n$/, '');
  return h(
    'div',
    { class: BAR, role: 'group', 'aria-label': 'Code block' },
    iconButton(copyIcon, 'Copy code', 'normal', () => {
      Clipboard.copyToSystem(code());
    }),
    iconButton(addBelowIcon, 'Insert code as a cell below', 'normal', () => {
      goToCell(panel, cell.model.id);
      insertBelow(panel, code());
    })
  );
}
