/**
 * A strip between what a cell asks and what was answered: marks, versions, what runs.
 *
 * It is on the page alone, nothing of it is saved.
 */

import type { CodeCell } from '@jupyterlab/cells';
import { type PanelLayout, Widget } from '@lumino/widgets';

import { h } from '../app/dom';

/** What stands in it, from top to bottom. */
export type Part = 'stop' | 'marks' | 'version';

const PARTS: readonly Part[] = ['stop', 'marks', 'version'];

const strips = new WeakMap<CodeCell, Strip>();

export class Strip extends Widget {
  private readonly parts: Readonly<Record<Part, HTMLElement>>;

  constructor() {
    const [stop, marks, version] = PARTS.map(part => h('div', { class: `cc-strip-${part}` }));
    const node = h('div');
    super({ node });
    this.addClass('cc-strip');
    this.parts = { stop: stop ?? node, marks: marks ?? node, version: version ?? node };
    node.append(...Object.values(this.parts));
  }

  /** Show other elements in a part; those that stand there already are left alone. */
  put(part: Part, ...elements: readonly HTMLElement[]): void {
    const place = this.parts[part];
    const has = place.children;
    const isSame =
      has.length === elements.length && elements.every((each, at) => each === has.item(at));
    if (!isSame) {
      place.replaceChildren(...elements);
    }
  }
}

/** Give the strip of a cell, made when it is first needed. */
export function stripOf(cell: CodeCell): Strip {
  const known = strips.get(cell);
  if (known) {
    return known;
  }
  const strip = new Strip();
  strips.set(cell, strip);
  void cell.ready.then(() => {
    if (cell.isDisposed) {
      strip.dispose();
      return;
    }
    const layout = cell.layout as PanelLayout;
    const input = layout.widgets.findIndex(each => each.hasClass('jp-Cell-inputWrapper'));
    layout.insertWidget(input + 1, strip);
  });
  return strip;
}

/** Give the strip of a cell if it has one. */
export function knownStrip(cell: CodeCell): Strip | undefined {
  return strips.get(cell);
}
