/** The text of the warnings on an answer. */

import type { ICell } from '../kernel/protocol';

export interface IWarning {
  readonly kind: 'stale' | 'cut' | 'order';
  readonly text: string;
  /** The tooltip, which explains the warning. */
  readonly title: string;
  /** The action of a click; empty if there is none. */
  readonly action: '' | 'Refresh…' | 'Continue';
}

const STALE = 'Stale';
const STALE_HINT = 'Click to run stale prompts again; the estimated cost is shown first.';
const CUT_OFF = 'The answer is incomplete.';
const ORDER =
  'The prompts above this cell are not those that ran before it. Their order decides what it sends.';

/** Return the warnings on a cell's answer. */
export function warningsOf(cell: ICell | undefined): IWarning[] {
  const warnings: IWarning[] = [];
  if (cell?.stale) {
    const reasons = cell.reasons.join('; ');
    const text = reasons === '' ? STALE : `${STALE}: ${reasons}`;
    warnings.push({ kind: 'stale', text, title: `${text}. ${STALE_HINT}`, action: 'Refresh…' });
  }
  if (cell?.cut) {
    const action = cell.last ? 'Continue' : '';
    const hint = cell.last
      ? ' Click to continue it.'
      : ' Only the last answer of a conversation can be continued.';
    warnings.push({ kind: 'cut', text: 'Cut off', title: CUT_OFF + hint, action });
  }
  if (cell?.order_differs) {
    warnings.push({ kind: 'order', text: 'Order differs', title: ORDER, action: '' });
  }
  return warnings;
}
