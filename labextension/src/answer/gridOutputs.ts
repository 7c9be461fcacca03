/** Finds the answers of a grid in the output of its cell. */

import type { IState } from '../kernel/protocol';
import { answerMetadata, type AnyOutput } from './answerOutputs';

/** An answer of a grid as the page shows it. */
export interface IGridAnswer {
  /** Its id in the history. */
  readonly turnId: string;
  /** Its number in the grid, from 1. */
  readonly number: number;
  /** The model and the options, as its column names them. */
  readonly label: string;
  readonly node: Element;
}

const ANSWERS = '.cc-column > .cc-answer, .cc-column > details > .cc-answer';

/** Return the turns of a grid in the order of its plan; `null` for an output that is none. */
export function gridTurns({ metadata }: AnyOutput): (string | null)[] | null {
  const turns = answerMetadata(metadata)?.turns;
  return Array.isArray(turns)
    ? turns.map(turn => (typeof turn === 'string' && turn !== '' ? turn : null))
    : null;
}

/** Return the turns of the last grid among outputs; `null` if there is none. */
export function lastGrid(outputs: readonly AnyOutput[]): (string | null)[] | null {
  return outputs.map(gridTurns).findLast(turns => turns !== null) ?? null;
}

/** Return the answers in the rendered output of a grid that have text to continue from. */
export function gridAnswers(turns: readonly (string | null)[], output: Element): IGridAnswer[] {
  const nodes = [...output.querySelectorAll(ANSWERS)];
  if (nodes.length !== turns.length) {
    return []; // another version of the extension wrote it
  }
  return nodes.flatMap((node, index) => {
    const turnId = turns[index];
    const label = node.closest('.cc-column')?.querySelector('strong')?.textContent ?? '';
    return turnId && hasText(node) ? [{ turnId, number: index + 1, label, node }] : [];
  });
}

/**
 * Return the id of the cell whose turn a grid is: the one that shows it, or after `%cmd retry`
 * another one; `null` if the kernel does not have it.
 */
export function ownerOf(
  turns: readonly (string | null)[],
  cellId: string,
  cells: IState['cells']
): string | null {
  const active = Object.entries(cells).find(
    ([, { turn_id: id }]) => id !== null && turns.includes(id)
  );
  return active?.[0] ?? (cellId in cells ? cellId : null);
}

function hasText(answer: Element): boolean {
  return [...answer.children].some(
    child =>
      !child.classList.contains('cc-bad') &&
      (child.textContent.trim() !== '' ||
        child.querySelector('img') !== null ||
        child.tagName === 'IMG')
  );
}
