/** What is said of an answer that is not as it should be. */

import type { ICell } from '../kernel/protocol';

export interface IMark {
  readonly kind: 'stale' | 'cut' | 'order';
  readonly text: string;
  /** The whole of it, for who points at it. */
  readonly title: string;
  /** What a click does; empty: nothing. */
  readonly action: '' | 'Refresh…' | 'Continue';
}

const STALE = 'Stale';
const STALE_HINT = 'Click to run again what is stale; asks first, with the likely cost.';
const CUT_HINT = 'The answer ended before its end.';
const ORDER =
  'Other turns stand above this cell than ran before it: the order decides what it sends.';

/** Give what is to be said of a cell's answer. */
export function marksOf(cell: ICell | undefined): IMark[] {
  const marks: IMark[] = [];
  if (cell?.stale) {
    const why = cell.reasons.join('; ');
    const text = why === '' ? STALE : `${STALE}: ${why}`;
    marks.push({ kind: 'stale', text, title: `${text}. ${STALE_HINT}`, action: 'Refresh…' });
  }
  if (cell?.cut) {
    const action = cell.last ? 'Continue' : '';
    const more = cell.last
      ? ' Click to carry it on.'
      : ' Only the last answer of a conversation can be carried on.';
    marks.push({ kind: 'cut', text: 'Cut off', title: CUT_HINT + more, action });
  }
  if (cell?.order_differs) {
    marks.push({ kind: 'order', text: 'Order differs', title: ORDER, action: '' });
  }
  return marks;
}
