import { findExpressions } from '../../src/prompt/expressions';
import cases from '../cases.json';

test.each(Object.entries(cases.expressions))('the expressions of %j', (text, expected) => {
  expect(findExpressions(text).map(({ from, to }) => text.slice(from, to))).toEqual(expected);
});

test('an incomplete expression is not one yet', () => {
  expect(findExpressions('a {{ x')).toEqual([]);
  expect(findExpressions('a {{')).toEqual([]);
});

test('an expression with a syntax error is still shown as one', () => {
  expect(findExpressions("{{ don't }} b")).toEqual([{ from: 0, to: 11 }]);
  expect(findExpressions('{{ a) }} b')).toEqual([{ from: 0, to: 8 }]);
});

test('many unclosed braces take linear time', () => {
  const text = "{{ it's ".repeat(20_000);
  expect(findExpressions(text)).toEqual([]);
});
