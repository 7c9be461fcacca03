import { warningsOf } from '../../src/answer/warningText';
import type { ICell } from '../../src/kernel/protocol';

const CELL: ICell = {
  thread: 'main',
  turn: 1,
  model: 'a/b',
  cost: '?',
  versions: 1,
  active: 1,
  stale: false,
  reasons: [],
  order_differs: false,
  cut: false,
  last: true
};

const texts = (cell: Partial<ICell>): string[] =>
  warningsOf({ ...CELL, ...cell }).map(({ text }) => text);

test('a normal answer and a cell without one have no warnings', () => {
  expect(texts({})).toEqual([]);
  expect(warningsOf(undefined)).toEqual([]);
});

test('the warning on a stale answer gives the reasons, if known', () => {
  expect(texts({ stale: true })).toEqual(['Stale']);
  expect(texts({ stale: true, reasons: ['`x` changed', '`y` is gone'] })).toEqual([
    'Stale: `x` changed; `y` is gone'
  ]);
});

test('an answer may have several warnings', () => {
  expect(texts({ stale: true, cut: true, order_differs: true })).toEqual([
    'Stale',
    'Cut off',
    'Order differs'
  ]);
});

test('an answer that was cut off can be continued if it is the last of its conversation', () => {
  const action = (last: boolean): string | undefined =>
    warningsOf({ ...CELL, cut: true, last })[0]?.action;
  expect(action(true)).toBe('Continue');
  expect(action(false)).toBe('');
});
