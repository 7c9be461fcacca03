/** The text of the marks on an answer: what is wrong or unusual about it, and what a click does. */

import type { ICell } from '../kernel/protocol';
import type { IShownAnswer } from './answerOutputs';
import type { Fate } from './recovery';

/** Each kind has at most one action. */
export type Kind =
  | 'unloaded'
  | 'arriving'
  | 'unfinished'
  | 'version'
  | 'outside'
  | 'copy'
  | 'thread'
  | 'deleted'
  | 'stale'
  | 'cut'
  | 'order';

export interface IWarning {
  readonly kind: Kind;
  readonly text: string;
  /** The tooltip, which explains the mark. */
  readonly title: string;
  /** The label of its action; empty if there is none. */
  readonly action: string;
}

/** What the page knows about a cell. */
export interface IPageFacts {
  /** Whether the cell failed because the kernel does not know `%%cmd`. */
  readonly isUnloaded: boolean;
  /** Whether the kernel runs without the extension, which would complete the answer. */
  readonly isAbsent: boolean;
  readonly fate: Fate | null;
  readonly shown: IShownAnswer | null;
  /** Whether another cell of the notebook has the turn that this one shows. */
  readonly isCopy: boolean;
  /** The conversation that cells without `--thread` continue; `null` while no kernel answers. */
  readonly thread: string | null;
  /** How many deleted cells this one sends, if it is the first prompt after them. */
  readonly deleted: number;
}

export const NO_FACTS: IPageFacts = {
  isUnloaded: false,
  isAbsent: false,
  fate: null,
  shown: null,
  isCopy: false,
  thread: null,
  deleted: 0
};

const DEFAULT_THREAD = 'default';
const STALE = 'Stale';
const STALE_HINT = 'Click to run stale prompts again; the estimated cost is shown first.';
const CUT_OFF = 'The answer is incomplete.';
const ORDER =
  'The prompts above this cell are not those that ran before it. Click to send what is above a' +
  ' cell instead of what ran before it, until the kernel restarts.';
const ARRIVING =
  'This page was opened while the answer was arriving. The whole answer is shown when it is complete.';

/** Return the marks on a cell, in the order in which they are shown. */
export function warningsOf(cell: ICell | undefined, facts: IPageFacts = NO_FACTS): IWarning[] {
  const whole = [unloaded(facts), unfinished(facts)].filter(each => each !== null);
  if (whole.length > 0) {
    return whole;
  }
  return [
    place(cell, facts),
    thread(cell, facts),
    deleted(facts),
    stale(cell),
    cut(cell),
    cell?.order_differs ? mark('order', 'Order differs', ORDER, 'Use page order') : null
  ].filter(each => each !== null);
}

function mark(kind: Kind, text: string, title: string, action = ''): IWarning {
  return { kind, text, title, action };
}

function unloaded({ isUnloaded }: IPageFacts): IWarning | null {
  const text = 'This kernel has not loaded cc_jupyter';
  const title = 'Click to run %load_ext cc_jupyter in the kernel, and then this cell.';
  return isUnloaded ? mark('unloaded', text, title, 'Load and run') : null;
}

function unfinished({ fate, isAbsent }: IPageFacts): IWarning | null {
  if (fate?.kind === 'arriving') {
    return mark('arriving', 'Still arriving…', ARRIVING);
  }
  if (fate?.kind !== 'unfinished') {
    return null;
  }
  const title = 'The rest of this answer did not reach the page.';
  const hint = ' Click to load cc_jupyter, which looks for it in the history.';
  return isAbsent
    ? mark('unfinished', 'Incomplete answer', title + hint, 'Load cc_jupyter')
    : mark('unfinished', 'Incomplete answer', `${title} ${fate.reason}`.trim());
}

/** Return the mark on an answer that is not the one in the conversation. */
function place(
  cell: ICell | undefined,
  { shown, isCopy, thread: current }: IPageFacts
): IWarning | null {
  if (current === null) {
    return null;
  }
  if (!shown) {
    const isMissing = cell !== undefined && cell.turn_id !== null;
    const title = 'The cell is empty, but its answer is sent with later prompts. Click to show it.';
    return isMissing ? mark('version', 'Answer not shown', title, 'Show it') : null;
  }
  if (isCopy) {
    const title = 'Only the answer of the original cell is sent with later prompts.';
    return mark('copy', 'A copy: not in the conversation', title, 'Go to the original');
  }
  if (cell?.turn_id && shown.turnId !== null && cell.turn_id !== shown.turnId) {
    const title = 'Later prompts send another answer of this cell. Click to show that one.';
    return mark('version', 'Not the answer in the conversation', title, 'Show that one');
  }
  if (cell === undefined && shown.thread !== null) {
    const title =
      'Later prompts do not send this answer: it was undone, or is from an earlier session or' +
      ' another notebook.' +
      ' Click to make it part of the conversation again.';
    return mark('outside', 'Not in the conversation', title, 'Bring back');
  }
  return null;
}

function thread(cell: ICell | undefined, { thread: current }: IPageFacts): IWarning | null {
  if (cell === undefined || current === null) {
    return null;
  }
  const isCurrent = cell.thread === current;
  if (isCurrent && current === DEFAULT_THREAD) {
    return null;
  }
  const title = isCurrent
    ? `This answer is part of the conversation ${cell.thread}, which cells without --thread continue.`
    : `This answer is part of the conversation ${cell.thread}. Cells without --thread continue` +
      ` ${current}; click to continue this one instead.`;
  return mark('thread', `Thread ${cell.thread}`, title, isCurrent ? '' : 'Continue it');
}

function deleted({ deleted: count }: IPageFacts): IWarning | null {
  const text = count === 1 ? 'Sends a missing cell' : `Sends ${count} missing cells`;
  const them = count === 1 ? 'it' : 'them';
  const title =
    'Cells that are deleted or in another notebook are part of the conversation.' +
    ` Click to leave ${them} out.`;
  return count > 0 ? mark('deleted', text, title, `Leave ${them} out`) : null;
}

function stale(cell: ICell | undefined): IWarning | null {
  if (!cell?.stale) {
    return null;
  }
  const reasons = cell.reasons.join('; ');
  const text = reasons === '' ? STALE : `${STALE}: ${reasons}`;
  return mark('stale', text, `${text}. ${STALE_HINT}`, 'Refresh…');
}

function cut(cell: ICell | undefined): IWarning | null {
  if (!cell?.cut) {
    return null;
  }
  const hint = cell.last
    ? ' Click to continue it.'
    : ' Only the last answer of a conversation can be continued.';
  return mark('cut', 'Cut off', CUT_OFF + hint, cell.last ? 'Continue' : '');
}
