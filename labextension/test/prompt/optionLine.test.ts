import { Text } from '@codemirror/state';

import { magicLine, readOptionLine, words } from '../../src/prompt/optionLine';
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

test('the parts of the line have their own kinds', () => {
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

test('an unclosed quote or bracket takes the rest of the line', () => {
  for (const line of ['-s "be brief -> x', '-i f(a, x', '-s "']) {
    expect(words(line, 3)).toEqual([{ from: 3, to: line.length }]);
  }
});

test('an option without a value sets no model', () => {
  expect(readOptionLine('%%cmd -m').model).toBe('');
  expect(readOptionLine('%%cmd -m --new x').model).toBe('');
});

test('--raw counts only as an option', () => {
  expect(readOptionLine('%%cmd --raw').raw).toBe(true);
  expect(readOptionLine('%%cmd -s "--raw"').raw).toBe(false);
});
