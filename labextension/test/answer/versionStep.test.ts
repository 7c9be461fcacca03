import type { IVersions } from '../../src/kernel/protocol';
import { adjacentVersion, otherPrompt } from '../../src/answer/versionStep';

/** Return versions with these answers. */
function versions(active: number | null, ...answers: string[]): IVersions {
  const rows = answers.map((answer, at) => ({
    version: at + 1,
    turn_id: `turn-${at + 1}`,
    prompt: 'hello',
    options: '',
    answer,
    model: 'a/b',
    sent_at: null,
    ended: 'stop',
    cost: '?'
  }));
  return { thread: 'main', turn: 1, active, versions: rows };
}

test.each<[IVersions, number | null, number | null]>([
  [versions(2, 'a', 'b', 'c'), 1, 3],
  [versions(1, 'a', 'b'), null, 2],
  [versions(2, 'a', 'b'), 1, null],
  [versions(3, 'a', '', 'c', '', 'e'), 1, 5],
  [versions(null, 'a', ''), 1, null],
  [versions(1, 'a'), null, null],
  [versions(null), null, null]
])('the versions next to the active one have text: case %#', (all, before, after) => {
  expect(adjacentVersion(all, -1)).toBe(before);
  expect(adjacentVersion(all, 1)).toBe(after);
});

test('a version of another prompt than the last one is told apart', () => {
  const all = versions(1, 'a', 'b');
  expect(otherPrompt(all)).toBeNull();
  const [first, second] = all.versions;
  const changed = { ...all, versions: [{ ...first, prompt: 'bonjour' }, second] } as IVersions;
  expect(otherPrompt(changed)).toEqual({ prompt: 'bonjour', model: 'a/b' });
  expect(otherPrompt({ ...changed, active: 2 })).toBeNull();
  expect(otherPrompt(versions(null))).toBeNull();
});
