import type { IDisplayData, IOutput } from '@jupyterlab/nbformat';

import { answerPlace, answerText, withAnswer } from '../../src/answer/answerOutputs';

function output(data: Record<string, string | string[]>, metadata = {}): IDisplayData {
  return { output_type: 'display_data', data, metadata };
}

function about(turn: number, thread = 'main'): object {
  return { cc_jupyter: { schema: 1, thread, turn } };
}

function answer(text: string, turn = 1, thread = 'main'): IDisplayData {
  return output({ 'text/markdown': text, 'text/plain': text }, about(turn, thread));
}

const PRINTED: IOutput = { output_type: 'stream', name: 'stdout', text: 'printed' };
const THOUGHTS = output({ 'text/html': '<details><summary>Thought', 'text/plain': 'Thought' });
const USAGE = output({ 'text/html': '<small style="">m · in 3', 'text/plain': 'm · in 3' });
const NEW = [answer('new'), output({ 'text/html': '<small>m · in 4', 'text/plain': 'm · in 4' })];
const HERE = { thread: 'main', turn: 1 };

test.each([
  ['an answer and its usage line', [answer('old'), USAGE], NEW],
  ['the thoughts of the other answer too', [THOUGHTS, answer('old'), USAGE], NEW],
  [
    'nothing before and behind',
    [PRINTED, answer('old'), USAGE, PRINTED],
    [PRINTED, ...NEW, PRINTED]
  ],
  ['an answer alone', [answer('old'), PRINTED], [...NEW, PRINTED]],
  ['the beginning of one', [PRINTED, output({ 'text/markdown': 'ol' })], [PRINTED, ...NEW]],
  ['none', [PRINTED], [PRINTED, ...NEW]]
])('another answer takes the place of %s', (_, outputs, expected) => {
  expect(withAnswer(outputs, NEW, HERE)).toEqual(expected);
});

test('of several answers the one of the turn is replaced', () => {
  const others = [answer('a', 1), USAGE, answer('b', 2), USAGE];
  expect(withAnswer(others, NEW, HERE)).toEqual([...NEW, answer('b', 2), USAGE]);
  expect(withAnswer(others, NEW, { thread: 'main', turn: 2 })).toEqual([
    answer('a', 1),
    USAGE,
    ...NEW
  ]);
});

test('an answer without text is its usage line, which goes alone', () => {
  const textless = output({ 'text/html': '<small>m', 'text/plain': 'm' }, about(1));
  expect(withAnswer([textless, USAGE], NEW, HERE)).toEqual([...NEW, USAGE]);
  expect(answerText([textless])).toBe('');
});

test('an answer of another conversation is taken for the last one', () => {
  expect(answerPlace([answer('a', 3, 'other'), PRINTED], HERE)).toBe(0);
  expect(answerPlace([PRINTED, THOUGHTS], HERE)).toBe(-1);
});

test('the text is as it was saved, in one piece or in lines', () => {
  expect(answerText([answer('one'), USAGE])).toBe('one');
  expect(answerText([output({ 'text/plain': ['a\n', 'b'] }, about(1))])).toBe('a\nb');
  expect(answerText([PRINTED])).toBe('');
});
