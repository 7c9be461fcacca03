/** @jest-environment jsdom */

import type { ICell } from '../../src/kernel/protocol';
import { gridAnswers, gridTurns, lastGrid, ownerOf } from '../../src/answer/gridOutputs';

const output = (turns: unknown): { data: object; metadata: object } => ({
  data: {},
  metadata: { cc_jupyter: { schema: 2, grid: 'g', turns, answers: [] } }
});

test.each([
  [
    ['t1', null, 't2'],
    ['t1', null, 't2']
  ],
  [
    ['t1', 7],
    ['t1', null]
  ],
  ['t1', null],
  [undefined, null]
])('the turns %j are read as %j', (turns, expected) => {
  expect(gridTurns(output(turns))).toEqual(expected);
});

test('an answer is no grid, and the last of several grids counts', () => {
  const single = { data: {}, metadata: { cc_jupyter: { schema: 2, turn_id: 't9' } } };
  expect(gridTurns(single)).toBeNull();
  expect(lastGrid([output(['a']), single, output(['b'])])).toEqual(['b']);
  expect(lastGrid([single, { data: {}, metadata: {} }])).toBeNull();
});

function rendered(): Element {
  const node = document.createElement('div');
  node.innerHTML = `<div class="cc-grid">
    <div class="cc-column"><div><strong>one · t 0</strong></div>
      <details><summary>1</summary><div class="cc-answer"><p>first</p></div></details>
      <details><summary>2</summary><div class="cc-answer"><div class="cc-bad">✗ 429</div></div></details>
    </div>
    <div class="cc-column"><div><strong>two</strong></div>
      <details><summary>1</summary><div class="cc-answer"><img src="data:,x"></div></details>
      <details><summary>2</summary><div class="cc-answer"><div class="cc-answer">a trap</div></div></details>
    </div></div>`;
  return node;
}

test('each answer with text has its turn, its number and the name of its column', () => {
  const found = gridAnswers(['t1', 't2', 't3', null], rendered());
  expect(found.map(({ turnId, number, label }) => [turnId, number, label])).toEqual([
    ['t1', 1, 'one · t 0'],
    ['t3', 3, 'two']
  ]);
});

test('a page that shows another number of answers gets no buttons', () => {
  expect(gridAnswers(['t1', 't2'], rendered())).toEqual([]);
});

test.each([
  ['own', { own: 't1' }, 'own'],
  ['retry', { own: 't1', other: 't9' }, 'own'],
  ['own', { own: 't9' }, 'own'],
  ['retry', { own: 't9' }, null],
  ['own', {}, null]
])('the grid in the cell %s, with the active turns %j, is of %j', (cell, active, expected) => {
  const cells = Object.fromEntries(
    Object.entries(active).map(([id, turn]) => [id, { turn_id: turn } as ICell])
  );
  expect(ownerOf(['t1', null, 't2'], cell, cells)).toBe(expected);
});
