/** What the status bar says of where a notebook stands. */

import type { IState } from '../kernel/protocol';

/** Give the short pieces of the line, from left to right. */
export function statusPieces(state: IState): string[] {
  const { running } = state;
  const pieces = [state.short_name ?? 'no model', state.thread];
  if (running) {
    pieces.push(`${running.tokens} tokens, ${Math.round(running.elapsed_s)} s`);
  }
  pieces.push(`in ${state.tokens_in} · out ${state.tokens_out}`, state.cost);
  if (state.budget_left !== null) {
    pieces.push(`${state.budget_left} left`);
  }
  return pieces;
}

/** Give the same in whole words, for the tooltip and for screen readers. */
export function statusWords(state: IState): string {
  const from = state.model_from === null ? '' : ` (${state.model_from})`;
  const whole = state.sums_of === 'notebook' ? 'this notebook' : 'this notebook in this session';
  const lines = [
    `Model: ${state.model ?? 'none chosen'}${from}`,
    `Conversation: ${state.thread}`,
    `Tokens of ${whole}: ${state.tokens_in} in, ${state.tokens_out} out`,
    `Cost of ${whole}: ${state.cost}`,
    state.budget_left === null ? 'No budget is set' : `Budget left: ${state.budget_left}`
  ];
  return [...lines, 'Click to choose a model'].join('\n');
}
