/** Adds the style sheets to the page; later rules override earlier ones. */

import answer from '../../style/answer.raw.css';
import models from '../../style/models.raw.css';
import panel from '../../style/panel.raw.css';
import prompt from '../../style/prompt.raw.css';
import status from '../../style/status.raw.css';
import tree from '../../style/tree.raw.css';
import usage from '../../style/usage.raw.css';

export function addStyle(): void {
  const sheet = document.createElement('style');
  sheet.textContent = [prompt, models, panel, tree, usage, status, answer].join('');
  document.head.append(sheet);
}
