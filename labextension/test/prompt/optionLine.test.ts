import { Text } from '@codemirror/state';

import { readOptionLine, words } from '../../src/prompt/optionLine';
import { magicLine } from '../../src/prompt/prompts';
import cases from '../cases.json';

test.each(Object.entries(cases.cells))('%j is a prompt: %s', (cell, expected) => {
  expect(magicLine(Text.of(cell.split('\n'))) !== null).toBe(expected);
});

test.each(Object.entries(cases.words))('the words of %j', (line, expected) => {
  expect(words(line, 0).map(({ from, to }) => line.slice(from, to))).toEqual(expected);
});

test.each(Object.entries(cases.models))('the model of %j', (line, expected) => {
  expect(readOptionLine(`%%cmd ${line}`).model).toBe(expected);
});

test('the parts of the line are told apart', () => {
  const line = '  %%cmd -s "be brief" --new -> rows: list[str] ';
  const parts = readOptionLine(line).spans.map(({ kind, from, to }) => [
    kind,
    line.slice(from, to)
  ]);
  expect(parts).toEqual([
    ['magic', '%%cmd'],
    ['option', '-s'],
    ['value', '"be brief"'],
    ['option', '--new'],
    ['capture', '-> rows: list[str]']
  ]);
});

test('a quote or bracket that is being typed takes the rest of the line', () => {
  for (const line of ['-s "be brief -> x', '-i f(a, x', '-s "']) {
    expect(words(line, 3)).toEqual([{ from: 3, to: line.length }]);
  }
});

test('an option without its value names no model', () => {
  expect(readOptionLine('%%cmd -m').model).toBe('');
  expect(readOptionLine('%%cmd -m --new x').model).toBe('');
});

test('--raw is seen among the options only', () => {
  expect(readOptionLine('%%cmd --raw').raw).toBe(true);
  expect(readOptionLine('%%cmd -s "--raw"').raw).toBe(false);
});
