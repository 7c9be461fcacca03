/** What our parts look like: one sheet in the page's head, in the order in which rules build up. */

import base from '../../style/prompt.raw.css';
import cells from '../../style/answer.raw.css';
import chooser from '../../style/models.raw.css';
import panel from '../../style/panel.raw.css';
import status from '../../style/status.raw.css';
import tree from '../../style/tree.raw.css';
import usage from '../../style/usage.raw.css';

/** Put the rules into the page. */
export function addStyle(): void {
  const sheet = document.createElement('style');
  sheet.textContent = [base, chooser, panel, tree, usage, status, cells].join('');
  document.head.append(sheet);
}
