import { marksOf } from '../../src/answer/warningText';
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
  marksOf({ ...CELL, ...cell }).map(({ text }) => text);

test('an answer that is as it should be has no mark, nor has a cell without one', () => {
  expect(texts({})).toEqual([]);
  expect(marksOf(undefined)).toEqual([]);
});

test('a stale answer says why, if that is known', () => {
  expect(texts({ stale: true })).toEqual(['Stale']);
  expect(texts({ stale: true, reasons: ['`x` changed', '`y` is gone'] })).toEqual([
    'Stale: `x` changed; `y` is gone'
  ]);
});

test('all that holds is said', () => {
  expect(texts({ stale: true, cut: true, order_differs: true })).toEqual([
    'Stale',
    'Cut off',
    'Order differs'
  ]);
});

test('a cut answer can be carried on where it is the last of its conversation', () => {
  const action = (last: boolean): string | undefined =>
    marksOf({ ...CELL, cut: true, last })[0]?.action;
  expect(action(true)).toBe('Continue');
  expect(action(false)).toBe('');
});
