/**
 * Icons that JupyterLab has none for, and buttons that are an icon.
 *
 * `jp-icon3` takes its colour from the theme.
 */

import { LabIcon } from '@jupyterlab/ui-components';

import { h } from './dom';

/** Make a button that is an icon; the notebook does not see the click. */
export function iconButton(
  shown: LabIcon,
  label: string,
  size: 'small' | 'normal',
  act: () => void
): HTMLButtonElement {
  const look = { type: 'button', class: 'cc-icon', title: label, 'aria-label': label };
  const onclick = (event: Event): void => {
    event.stopPropagation();
    act();
  };
  const made = h('button', { ...look, onclick });
  made.append(shown.element({ tag: 'span', elementSize: size }));
  return made;
}

function icon(name: string, path: string): LabIcon {
  const shape = `<path class="jp-icon3" fill="#616161" d="${path}"/>`;
  return new LabIcon({
    name: `cc-jupyter:${name}`,
    svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">${shape}</svg>`
  });
}

/** A speech bubble. */
export const promptIcon = icon('prompt', 'M4 3h16v13H10l-5 5v-5H4zm2 2v9h1v2l2-2h9V5z');

/** Two arrows, this way and that. */
export const otherModelIcon = icon(
  'other-model',
  'M4 8h12V4l5 5-5 5v-4H4zm16 8H8v4l-5-5 5-5v4h12z'
);

/** A line that goes on. */
export const continueIcon = icon('continue', 'M3 6h18v2H3zm0 5h9v2H3zm11-2 6 4-6 4v-3H3v-2h11z');

/** Code that goes into a cell. */
export const insertCodeIcon = icon(
  'insert-code',
  'M8 5 3 10l5 5 1.4-1.4L5.8 10l3.6-3.6zm8 0-1.4 1.4 3.6 3.6-3.6 3.6L16 15l5-5zm-5 9h2v3h3l-4 4-4-4h3z'
);
