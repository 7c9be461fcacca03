import { findExpressions } from '../../src/prompt/expressions';
import cases from '../cases.json';

test.each(Object.entries(cases.expressions))('the expressions of %j', (text, expected) => {
  expect(findExpressions(text).map(({ from, to }) => text.slice(from, to))).toEqual(expected);
});

test('what is being typed is none yet, and hides no later one', () => {
  expect(findExpressions('a {{ x')).toEqual([]);
  expect(findExpressions('a {{')).toEqual([]);
});

test('an expression with a mistake in it is still shown as one', () => {
  expect(findExpressions("{{ don't }} b")).toEqual([{ from: 0, to: 11 }]);
  expect(findExpressions('{{ a) }} b')).toEqual([{ from: 0, to: 8 }]);
});

test('braces that nothing closes cost no more than their number', () => {
  const text = "{{ it's ".repeat(20_000);
  expect(findExpressions(text)).toEqual([]);
});
