import { Text } from '@codemirror/state';

import { magicLine, readOptionLine, words } from '../../src/prompt/optionLine';
import cases from '../cases.json';

test.each(Object.entries(cases.cells))('%j is a prompt: %s', (cell, expected) => {
  expect(magicLine(Text.of(cell.split('\n'))) !== null).toBe(expected);
});

test.each(Object.entries(cases.words))('the words of %j', (line, expected) => {
  expect(words(line, 0).map(({ from, to }) => line.slice(from, to))).toEqual(expected);
});

test.each(Object.entries(cases.models))('the models of %j', (line, expected) => {
  expect(readOptionLine(`%%cmd ${line}`).models).toEqual(expected);
});

test.each(Object.entries(cases.allowed))('the allowed tools of %j', (line, expected) => {
  expect(readOptionLine(`%%cmd ${line}`).allowed).toEqual(expected);
});

test.each(Object.entries(cases.prompts))('the saved prompt of %j', (line, expected) => {
  const text = `%%cmd ${line}`;
  const found = readOptionLine(text).spans.filter(({ kind }) => kind === 'prompt');
  expect(found.map(({ from, to }) => text.slice(from, to))).toEqual(expected);
});

test.each(Object.entries(cases.grids))('the requests of %j', (line, expected) => {
  const { grid } = readOptionLine(`%%cmd ${line}`);
  expect(grid && [grid.requests, grid.varied]).toEqual(expected);
});

test.each(
  [
    ['-m a,,b', '-m a,a', '-t 0,'],
    ['-n 0', '-n x', '-n', '-n 2 -n 3', '--vary topic', '--vary topic=']
  ].flat()
)('the wrong line %j has no size', line => {
  expect(readOptionLine(`%%cmd ${line}`).grid).toBeNull();
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

test.each([
  ['-m a,b', ['option -m', 'value a', 'value b']],
  ['-m=a,b', ['option -m=', 'value a', 'value b']],
  ['-m a,', ['option -m', 'value a']],
  ['-m "a,b"', ['option -m', 'value "a,b"']],
  ['-s a,b -t 0,1', ['option -s', 'value a,b', 'option -t', 'value 0', 'value 1']],
  ['-n 3 --blind', ['option -n', 'value 3', 'option --blind']],
  ['--allow a,b', ['option --allow', 'value a', 'value b']],
  ['--tools f,g[0]', ['option --tools', 'expression f,g[0]']],
  ['--vary t=["a, b"]', ['option --vary', 'value t=', 'expression ["a, b"]']],
  ['--vary "t=a + b"', ['option --vary', 'value "t=', 'expression a + b"']],
  ['--vary=t=names', ['option --vary=', 'value t=', 'expression names']],
  ['--vary t', ['option --vary', 'expression t']],
  ['--check answer=="a,b"', ['option --check', 'expression answer=="a,b"']],
  ['--check', ['option --check']],
  ['--check ok x', ['option --check', 'expression ok', 'value x']],
  ['@tone -m a -> x', ['prompt @tone', 'option -m', 'value a', 'capture -> x']],
  ['-t 1 @./tone', ['option -t', 'value 1', 'prompt @./tone']],
  ['-s @tone', ['option -s', 'value @tone']],
  ['--once @tone', ['option --once', 'prompt @tone']],
  ['--max-usd 0.5 -> g', ['option --max-usd', 'value 0.5', 'capture -> g']]
])('the parts of %j', (options, expected) => {
  const line = `%%cmd ${options}`;
  const parts = readOptionLine(line).spans.slice(1);
  expect(parts.map(({ kind, from, to }) => `${kind} ${line.slice(from, to)}`)).toEqual(expected);
});

test('an unclosed quote or bracket takes the rest of the line', () => {
  for (const line of ['-s "be brief -> x', '-i f(a, x', '-s "']) {
    expect(words(line, 3)).toEqual([{ from: 3, to: line.length }]);
  }
});

test('an option without a value sets no model', () => {
  expect(readOptionLine('%%cmd -m').models).toEqual([]);
  expect(readOptionLine('%%cmd -m --new x').models).toEqual([]);
  expect(readOptionLine('%%cmd -m ,').models).toEqual([]);
});

test('--raw counts only as an option', () => {
  expect(readOptionLine('%%cmd --raw').raw).toBe(true);
  expect(readOptionLine('%%cmd -s "--raw"').raw).toBe(false);
});
