/** The conversations of a notebook as the visible lines of a tree. */

import { counted, joined } from '../app/text';
import type { ICombination, IState, IThread, ITree, ITurn } from '../kernel/protocol';
import { shortName } from '../models/modelText';

export interface ITreeRow {
  /** Identifies the same line in later trees. */
  readonly key: string;
  readonly thread: IThread;
  /** `null` for the line of the conversation itself. */
  readonly turn: ITurn | null;
  /** The versions of its turn, a grid, that it stands for; `null` for the line of the turn. */
  readonly combination: ICombination | null;
  readonly level: number;
  /** Its position among its siblings, from 1, and their number. */
  readonly position: number;
  readonly siblings: number;
  /** `null` if it has no children. */
  readonly open: boolean | null;
  readonly current: boolean;
}

/** Return the tree with the turns marked that are stale only because of a variable, as in cells. */
export function withStale(tree: ITree, cells: IState['cells']): ITree {
  const mark = (thread: IThread): IThread => ({
    ...thread,
    turns: thread.turns.map(turn => {
      const cell = thread.live ? cells[turn.cell_id ?? ''] : undefined;
      const isSame = cell?.thread === thread.name && cell.turn === turn.turn;
      return isSame && cell.stale ? { ...turn, stale: true } : turn;
    }),
    forks: thread.forks.map(mark)
  });
  return { ...tree, threads: tree.threads.map(mark) };
}

type IsOpen = (key: string, thread: IThread, turn: ITurn | null) => boolean;

/** Return the lines from top to bottom; a fork is below the last turn that it shares. */
export function treeRows({ current, threads }: ITree, isOpen: IsOpen): ITreeRow[] {
  return threads.flatMap((thread, at) =>
    rowsOf(thread, { parent: '', level: 1, position: at + 1, siblings: threads.length }, 0)
  );

  function rowsOf(thread: IThread, place: IPlace, shared: number): ITreeRow[] {
    const { parent, ...row } = place;
    const key = `${parent}/${thread.live ? '' : '-'}${thread.name}`;
    const children = childrenOf(thread, shared);
    const open = children.length > 0 ? isOpen(key, thread, null) : null;
    const isCurrent = thread.live && thread.name === current;
    const own: ITreeRow = { ...row, key, thread, ...NO_TURN, open, current: isCurrent };
    if (!open) {
      return [own];
    }
    const below = children.flatMap((child, at) => {
      const here = { level: row.level + 1, position: at + 1, siblings: children.length };
      return 'turns' in child
        ? rowsOf(child, { parent: key, ...here }, child.shared)
        : turnRows(thread, child, `${key}#${child.turn}`, here, isOpen);
    });
    return [own, ...below];
  }
}

const NO_TURN = { turn: null, combination: null } as const;

interface IPlace {
  readonly parent: string;
  readonly level: number;
  readonly position: number;
  readonly siblings: number;
}

/** Return the line of a turn, and below it those of a grid's combinations. */
function turnRows(
  thread: IThread,
  turn: ITurn,
  key: string,
  place: Omit<IPlace, 'parent'>,
  isOpen: IsOpen
): ITreeRow[] {
  const { combinations } = turn;
  const open = combinations.length > 0 ? isOpen(key, thread, turn) : null;
  const row = { ...place, key, thread, turn, combination: null, open, current: false };
  const below = combinations.map((combination, at) => ({
    ...row,
    key: `${key}.${at}`,
    combination,
    level: place.level + 1,
    position: at + 1,
    siblings: combinations.length,
    open: null
  }));
  return open ? [row, ...below] : [row];
}

/** Return the turns that the conversation does not share with its parent, and its forks. */
function childrenOf(thread: IThread, shared: number): (ITurn | IThread)[] {
  const forksAt = (turn: number): IThread[] => thread.forks.filter(fork => fork.shared === turn);
  const early = thread.forks.filter(fork => fork.shared <= shared);
  const late = thread.forks.filter(fork => fork.shared > thread.turns.length);
  const own = thread.turns.slice(shared).flatMap(turn => [turn, ...forksAt(turn.turn)]);
  return [...early, ...own, ...late];
}

/** Return the short texts after the name of a conversation or the prompt of a turn. */
export function rowDetails({ thread, turn, combination, current }: ITreeRow): string[] {
  if (turn === null) {
    const shared = thread.shared > 0 ? `shares ${thread.shared}` : '';
    const where = current ? 'current' : thread.live ? '' : 'in the history';
    return [where, counted(thread.turns.length, 'turn'), shared].filter(Boolean);
  }
  if (combination !== null) {
    const { versions } = combination;
    const isActive = turn.active !== null && versions.includes(turn.active);
    return [versionNumbers(versions), isActive ? `version ${turn.active} is active` : ''].filter(
      Boolean
    );
  }
  const grid = turn.blind ? 'blind grid' : turn.combinations.length > 0 ? 'grid' : '';
  const version = turn.versions > 1 ? `version ${turn.active ?? '?'} of ${turn.versions}` : '';
  const ended = turn.ended === null || turn.ended === 'stop' ? '' : turn.ended;
  const model = turn.model === null ? '' : shortName(turn.model);
  const isNew = turn.anew ? 'starts fresh' : '';
  return [model, turn.cost, grid, version, ended, isNew].filter(Boolean);
}

/** Return the name of a combination: its model, and the options in which they differ. */
export function combinationName({ model, differs }: ICombination): string {
  return joined(shortName(model), differs);
}

function versionNumbers(versions: readonly number[]): string {
  const [first = 0] = versions;
  const last = versions.at(-1) ?? first;
  if (versions.length === 1) {
    return `version ${first}`;
  }
  const isRange = last - first === versions.length - 1;
  return `versions ${isRange ? `${first} to ${last}` : versions.join(', ')}`;
}
