/** A section of the panel on the screen: a heading that opens and closes it. */

import { h } from '../app/dom';
import type { ISection } from './host';

/**
 * Give the section with its heading.
 *
 * @param opened - called when the user opens it
 */
export function framed(section: ISection, opened: () => void): HTMLDetailsElement {
  const frame = h('details', { open: true }, h('summary', {}, section.title), section.node);
  frame.addEventListener('toggle', () => {
    if (frame.open) {
      opened();
    }
  });
  return frame;
}
