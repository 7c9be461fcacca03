/**
 * The header of an answer, between a cell's input and its outputs: stop button, warnings, versions.
 *
 * It is part of the page only and is never saved.
 */

import type { CodeCell } from '@jupyterlab/cells';
import { type PanelLayout, Widget } from '@lumino/widgets';

import { h } from '../app/dom';

/** The parts of a header. */
export type Part = 'stop' | 'count' | 'warnings' | 'version';

const headers = new WeakMap<CodeCell, AnswerHeader>();

class AnswerHeader extends Widget {
  private readonly parts: Readonly<Record<Part, HTMLElement>>;

  constructor() {
    super();
    this.addClass('cc-header');
    const part = (name: Part): HTMLElement => h('div', { class: `cc-header-${name}` });
    this.parts = {
      stop: part('stop'),
      count: part('count'),
      warnings: part('warnings'),
      version: part('version')
    };
    this.node.append(...Object.values(this.parts));
  }

  /** Replace the elements of a part, unless they are the same ones. */
  put(part: Part, ...elements: readonly HTMLElement[]): void {
    const { children } = this.parts[part];
    const isSame =
      children.length === elements.length &&
      elements.every((each, index) => each === children.item(index));
    if (!isSame) {
      this.parts[part].replaceChildren(...elements);
    }
  }
}

/** Return the header of a cell, created on first use. */
export function headerOf(cell: CodeCell): AnswerHeader {
  const existing = headers.get(cell);
  if (existing) {
    return existing;
  }
  const header = new AnswerHeader();
  headers.set(cell, header);
  void cell.ready.then(() => {
    if (cell.isDisposed) {
      header.dispose();
      return;
    }
    const layout = cell.layout as PanelLayout;
    const input = layout.widgets.findIndex(each => each.hasClass('jp-Cell-inputWrapper'));
    layout.insertWidget(input + 1, header);
  });
  return header;
}

/** Return the header of a cell if it has one. */
export function existingHeader(cell: CodeCell): AnswerHeader | undefined {
  return headers.get(cell);
}
