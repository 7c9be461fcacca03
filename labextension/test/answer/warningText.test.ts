import { type IPageFacts, NO_FACTS, warningsOf } from '../../src/answer/warningText';
import type { ICell } from '../../src/kernel/protocol';

const CELL: ICell = {
  thread: 'main',
  turn: 1,
  turn_id: 'abc',
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

const SHOWN = { turnId: 'abc', thread: 'main' };
const LINKED: Partial<IPageFacts> = { thread: 'main', shown: SHOWN };

test.each<[string, ICell | undefined, Partial<IPageFacts>, string[]]>([
  ['an answer of the conversation', CELL, { ...LINKED, thread: 'default' }, ['Thread main']],
  ['one of a current conversation with a name', CELL, LINKED, ['Thread main']],
  [
    'one of the default conversation',
    { ...CELL, thread: 'default' },
    { ...LINKED, thread: 'default' },
    []
  ],
  ['a cleared cell', CELL, { thread: 'default' }, ['Answer not shown', 'Thread main']],
  ['a cell that was never answered', undefined, { thread: 'default' }, []],
  ['an answer of an earlier session', undefined, LINKED, ['Not in the conversation']],
  ['an answer of no conversation', undefined, { ...LINKED, shown: { ...SHOWN, thread: null } }, []],
  ['the same without a kernel', undefined, { shown: SHOWN }, []],
  ['a copied cell', undefined, { ...LINKED, isCopy: true }, ['A copy: not in the conversation']],
  [
    'another version',
    CELL,
    { ...LINKED, shown: { ...SHOWN, turnId: 'old' } },
    ['Not the answer in the conversation', 'Thread main']
  ],
  [
    'a notebook of an earlier version',
    CELL,
    { thread: 'main', shown: { ...SHOWN, turnId: null } },
    ['Thread main']
  ],
  [
    'a cell after deleted ones',
    CELL,
    { ...LINKED, deleted: 2 },
    ['Thread main', 'Sends 2 missing cells']
  ],
  ['a growing answer', CELL, { ...LINKED, fate: { kind: 'arriving' } }, ['Still arriving…']],
  [
    'half an answer',
    { ...CELL, stale: true },
    { ...LINKED, fate: { kind: 'unfinished', reason: 'The history is off.' } },
    ['Incomplete answer']
  ],
  ['an unknown magic', undefined, { isUnloaded: true }, ['This kernel has not loaded cc_jupyter']]
])('the marks on %s', (_, cell, facts, expected) => {
  const warnings = warningsOf(cell, { ...NO_FACTS, ...facts });
  expect(warnings.map(({ text }) => text)).toEqual(expected);
});

test('half an answer says why the rest is missing, or how to look for it', () => {
  const fate = { kind: 'unfinished', reason: 'The history is off.' } as const;
  const [linked] = warningsOf(undefined, { ...NO_FACTS, fate });
  expect(linked?.action).toBe('');
  expect(linked?.title).toContain('The history is off.');
  const [absent] = warningsOf(undefined, { ...NO_FACTS, fate, isAbsent: true });
  expect(absent?.action).toBe('Load cc_jupyter');
});
