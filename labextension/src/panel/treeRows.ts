/** The conversations of a notebook as the lines of a tree, of which only the open ones are there. */

import { shortName } from '../models/modelText';
import type { IState, IThread, ITree, ITurn } from '../kernel/protocol';

export interface ITreeRow {
  /** The same for the same line of every later tree. */
  readonly key: string;
  readonly thread: IThread;
  /** `null`: the line stands for the conversation itself. */
  readonly turn: ITurn | null;
  readonly level: number;
  /** Which of its siblings it is, from 1, and how many there are. */
  readonly position: number;
  readonly siblings: number;
  /** `null`: there is nothing below it. */
  readonly open: boolean | null;
  readonly current: boolean;
}

/** Give a tree that also marks what is stale by a variable, as the cells do. */
export function withStale(tree: ITree, cells: IState['cells']): ITree {
  const marked = (thread: IThread): IThread => ({
    ...thread,
    turns: thread.turns.map(turn => {
      const cell = thread.live ? cells[turn.cell_id ?? ''] : undefined;
      const same = cell?.thread === thread.name && cell.turn === turn.turn;
      return same && cell.stale ? { ...turn, stale: true } : turn;
    }),
    forks: thread.forks.map(marked)
  });
  return { ...tree, threads: tree.threads.map(marked) };
}

type IsOpen = (key: string, thread: IThread) => boolean;

/** Give the lines from top to bottom; a fork stands below the last turn that it shares. */
export function treeRows({ current, threads }: ITree, isOpen: IsOpen): ITreeRow[] {
  return threads.flatMap((thread, at) =>
    rowsOf(thread, { above: '', level: 1, position: at + 1, siblings: threads.length }, 0)
  );

  function rowsOf(thread: IThread, place: IPlace, shared: number): ITreeRow[] {
    const { above, ...row } = place;
    const key = `${above}/${thread.live ? '' : '-'}${thread.name}`;
    const children = childrenOf(thread, shared);
    const open = children.length > 0 ? isOpen(key, thread) : null;
    const isCurrent = thread.live && thread.name === current;
    const own: ITreeRow = { ...row, key, thread, turn: null, open, current: isCurrent };
    if (!open) {
      return [own];
    }
    const below = children.flatMap((child, at) => {
      const here = { level: row.level + 1, position: at + 1, siblings: children.length };
      return 'turns' in child
        ? rowsOf(child, { above: key, ...here }, child.shared)
        : [turnRow(thread, child, `${key}#${child.turn}`, here)];
    });
    return [own, ...below];
  }
}

interface IPlace {
  readonly above: string;
  readonly level: number;
  readonly position: number;
  readonly siblings: number;
}

function turnRow(
  thread: IThread,
  turn: ITurn,
  key: string,
  place: Omit<IPlace, 'above'>
): ITreeRow {
  return { ...place, key, thread, turn, open: null, current: false };
}

/** Give the turns that the conversation does not share with the one above it, and its forks. */
function childrenOf(thread: IThread, shared: number): (ITurn | IThread)[] {
  const forksAt = (turn: number): IThread[] => thread.forks.filter(fork => fork.shared === turn);
  const early = thread.forks.filter(fork => fork.shared <= shared);
  const late = thread.forks.filter(fork => fork.shared > thread.turns.length);
  const own = thread.turns.slice(shared).flatMap(turn => [turn, ...forksAt(turn.turn)]);
  return [...early, ...own, ...late];
}

/** What stands behind a line's first words: the marks, each a short text. */
export function marks({ thread, turn, current }: ITreeRow): string[] {
  if (turn === null) {
    const { length } = thread.turns;
    const shared = thread.shared > 0 ? `shares ${thread.shared}` : '';
    const where = current ? 'current' : thread.live ? '' : 'in the history';
    return [where, `${length} ${length === 1 ? 'turn' : 'turns'}`, shared].filter(Boolean);
  }
  const version = turn.versions > 1 ? `version ${turn.active ?? '?'} of ${turn.versions}` : '';
  const ended = turn.ended === null || turn.ended === 'stop' ? '' : turn.ended;
  const model = turn.model === null ? '' : shortName(turn.model);
  const anew = turn.anew ? 'starts anew' : '';
  return [model, turn.cost, version, ended, anew].filter(Boolean);
}
