import type { IDisplayData, IOutput } from '@jupyterlab/nbformat';

import {
  answerIndex,
  answerText,
  hasUnfinished,
  replaceAnswer,
  shownAnswer
} from '../../src/answer/answerOutputs';

function output(data: Record<string, string | string[]>, metadata = {}): IDisplayData {
  return { output_type: 'display_data', data, metadata };
}

function about(turn: number, thread = 'main'): object {
  return { cc_jupyter: { schema: 1, thread, turn } };
}

function answer(text: string, turn = 1, thread = 'main'): IDisplayData {
  return output({ 'text/markdown': text, 'text/plain': text }, about(turn, thread));
}

const PART = output({ 'text/markdown': 'ol' }, { cc_jupyter: { unfinished: true } });
const PRINTED: IOutput = { output_type: 'stream', name: 'stdout', text: 'printed' };
const REASONING = output({ 'text/html': '<details><summary>Thought', 'text/plain': 'Thought' });
const USAGE = output({ 'text/html': '<small style="">m · in 3', 'text/plain': 'm · in 3' });
const NEW = [answer('new'), output({ 'text/html': '<small>m · in 4', 'text/plain': 'm · in 4' })];
const HERE = { thread: 'main', turn: 1 };

test.each([
  ['an answer and its usage line', [answer('old'), USAGE], NEW],
  ['its reasoning too', [REASONING, answer('old'), USAGE], NEW],
  [
    'no other output before or after it',
    [PRINTED, answer('old'), USAGE, PRINTED],
    [PRINTED, ...NEW, PRINTED]
  ],
  ['an answer alone', [answer('old'), PRINTED], [...NEW, PRINTED]],
  ['all parts of an unfinished answer', [PRINTED, PART, PART], [PRINTED, ...NEW]],
  [
    'the unfinished answer, not the one before it',
    [answer('other'), USAGE, PART],
    [answer('other'), USAGE, ...NEW]
  ],
  [
    'a partial answer without a mark',
    [PRINTED, output({ 'text/markdown': 'ol' })],
    [PRINTED, ...NEW]
  ],
  ['nothing if there is none', [PRINTED], [PRINTED, ...NEW]]
])('another answer replaces %s', (_, outputs, expected) => {
  expect(replaceAnswer(outputs, NEW, HERE)).toEqual(expected);
});

test('of several answers, the one of the turn is replaced', () => {
  const others = [answer('a', 1), USAGE, answer('b', 2), USAGE];
  expect(replaceAnswer(others, NEW, HERE)).toEqual([...NEW, answer('b', 2), USAGE]);
  expect(replaceAnswer(others, NEW, { thread: 'main', turn: 2 })).toEqual([
    answer('a', 1),
    USAGE,
    ...NEW
  ]);
});

test('an answer without text is only its usage line', () => {
  const textless = output({ 'text/html': '<small>m', 'text/plain': 'm' }, about(1));
  expect(replaceAnswer([textless, USAGE], NEW, HERE)).toEqual([...NEW, USAGE]);
  expect(answerText([textless])).toBe('');
});

test('without an answer of the turn, the last answer counts', () => {
  expect(answerIndex([answer('a', 3, 'other'), PRINTED], HERE)).toBe(0);
  expect(answerIndex([PRINTED, REASONING], HERE)).toBe(-1);
});

test('the text is the saved one, as a string or as lines', () => {
  expect(answerText([answer('one'), USAGE])).toBe('one');
  expect(answerText([output({ 'text/plain': ['a\n', 'b'] }, about(1))])).toBe('a\nb');
  expect(answerText([PRINTED])).toBe('');
});

test('an unfinished answer is not an answer yet', () => {
  expect(hasUnfinished([PRINTED, PART])).toBe(true);
  expect(shownAnswer([PART])).toBeNull();
  expect(answerIndex([PART])).toBe(-1);
});

test('what a cell shows is read from the metadata', () => {
  const known = output({}, { cc_jupyter: { turn_id: 'abc', thread: 'main' } });
  expect(shownAnswer([known, USAGE])).toEqual({ turnId: 'abc', thread: 'main', isGrid: false });
  expect(shownAnswer([answer('of an earlier version')])?.turnId).toBeNull();
  expect(hasUnfinished([known])).toBe(false);
});

test.each([
  ['the answer that the conversation has', ['a', 'b'], 'b', 'b'],
  ['else its first answer', ['a', 'b'], 'another', 'a'],
  ['nothing if nothing was sent', [], 'b', null]
])('a grid shows %s', (_, ids, known, turnId) => {
  const answers = ids.map(id => ({ turn_id: id, thread: 'main' }));
  const grid = output({}, { cc_jupyter: { turns: ids, answers } });
  const thread = turnId === null ? null : 'main';
  expect(shownAnswer([grid], id => id === known)).toEqual({ turnId, thread, isGrid: true });
});
