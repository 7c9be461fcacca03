/** The text of the status bar item and its tooltip. */

import type { IState } from '../kernel/protocol';

/** Return the parts of the line, from left to right. */
export function statusParts(state: IState): string[] {
  const { running } = state;
  const parts = [state.short_name ?? 'no model', state.thread];
  if (running) {
    parts.push(`${running.tokens} tokens, ${Math.round(running.elapsed_s)} s`);
  }
  parts.push(`in ${state.tokens_in} · out ${state.tokens_out}`, state.cost);
  if (state.budget_left !== null) {
    parts.push(`${state.budget_left} left`);
  }
  return parts;
}

/** Return the same in full words, for the tooltip and for screen readers. */
export function statusTooltip(state: IState): string {
  const source = state.model_from === null ? '' : ` (${state.model_from})`;
  const scope = state.sums_of === 'notebook' ? 'this notebook' : 'this notebook in this session';
  const lines = [
    `Model: ${state.model ?? 'none chosen'}${source}`,
    `Conversation: ${state.thread}`,
    `Tokens of ${scope}: ${state.tokens_in} in, ${state.tokens_out} out`,
    `Cost of ${scope}: ${state.cost}`,
    state.budget_left === null ? 'No budget set' : `Budget left: ${state.budget_left}`
  ];
  return [...lines, 'Click to choose a model'].join('\n');
}
