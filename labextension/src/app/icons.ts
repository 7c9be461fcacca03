/**
 * Icons that JupyterLab does not have, and a button that shows an icon.
 *
 * The class `jp-icon3` takes its colour from the theme.
 */

import { LabIcon } from '@jupyterlab/ui-components';

import { h } from './dom';

/** Make an icon button; the notebook does not receive its clicks. */
export function iconButton(
  icon: LabIcon,
  label: string,
  size: 'small' | 'normal',
  act: () => void
): HTMLButtonElement {
  const attributes = { type: 'button', class: 'cc-icon', title: label, 'aria-label': label };
  const onclick = (event: Event): void => {
    event.stopPropagation();
    act();
  };
  const button = h('button', { ...attributes, onclick });
  button.append(icon.element({ tag: 'span', elementSize: size }));
  return button;
}

function icon(name: string, path: string, size = 24): LabIcon {
  const shape = `<path class="jp-icon3" fill="#616161" d="${path}"/>`;
  return new LabIcon({
    name: `cc-jupyter:${name}`,
    svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 ${size} ${size}">${shape}</svg>`
  });
}

/** A speech bubble. */
export const promptIcon = icon('prompt', 'M4 3h16v13H10l-5 5v-5H4zm2 2v9h1v2l2-2h9V5z');

/** Two arrows that point in opposite directions. */
export const otherModelIcon = icon(
  'other-model',
  'M4 8h12V4l5 5-5 5v-4H4zm16 8H8v4l-5-5 5-5v4h12z'
);

/** Lines of text and an arrow that continues them. */
export const continueIcon = icon('continue', 'M3 6h18v2H3zm0 5h9v2H3zm11-2 6 4-6 4v-3H3v-2h11z');

/** Code brackets above an arrow that points down. */
export const insertCodeIcon = icon(
  'insert-code',
  'M8 5 3 10l5 5 1.4-1.4L5.8 10l3.6-3.6zm8 0-1.4 1.4 3.6 3.6-3.6 3.6L16 15l5-5zm-5 9h2v3h3l-4 4-4-4h3z'
);

/** A speech bubble with two lines of text. */
export const panelIcon = icon(
  'panel',
  'M2 2h12v9H7l-3 3v-3H2zm2 2.5v1.2h8V4.5zm0 2.6v1.2h5V7.1z',
  16
);
