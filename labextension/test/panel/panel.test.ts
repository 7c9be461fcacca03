/** @jest-environment jsdom */

import { plot, steps } from '../../src/panel/plot';
import { distinct, markWords, promptCell } from '../../src/panel/search';
import { stateKey } from '../../src/panel/host';
import type { IFoundTurn, IUsagePoint } from '../../src/kernel/protocol';
import { statusParts, statusTooltip } from '../../src/status/statusText';
import { state } from '../views';

const running = { cell_id: 'a', thread: 'main', model: 'a/b', tokens: '~120', elapsed_s: 2.4 };

test('the status bar shows model, conversation, tokens, cost and the rest of the budget', () => {
  expect(statusParts(state({ budget_left: '$0.41 of $0.50 per day' }))).toEqual([
    'deepseek-v4-flash',
    'main',
    'in 1,204 · out 312',
    '$0.0003',
    '$0.41 of $0.50 per day left'
  ]);
  expect(statusParts(state({ model: null, short_name: null }))[0]).toBe('no model');
});

test('the status bar counts while an answer comes', () => {
  expect(statusParts(state({ running }))).toContain('~120 tokens, 2 s');
});

test('the tooltip says what the sums cover', () => {
  expect(statusTooltip(state())).toContain('Cost of this notebook: $0.0003');
  expect(statusTooltip(state({ sums_of: 'session' }))).toContain('in this session: $0.0003');
});

test('the progress of an answer does not refresh the panel', () => {
  expect(stateKey(state({ running }))).toBe(stateKey(state()));
  expect(stateKey(state({ cost: '$0.0004' }))).not.toBe(stateKey(state()));
});

test('a plot rises in steps to its highest value at the end', () => {
  expect(steps([0, 10, 20], [1, 1, 2])).toBe('0,60 0,60 0,30 120,30 120,30 240,30 240,0 240,0');
});

test('a plot of one request or without cost has no gaps', () => {
  expect(steps([5], [1])).not.toContain('NaN');
  expect(steps([5, 5], [0, 0])).not.toContain('NaN');
});

const point = (usd: number, tokens: number, minute = 0): IUsagePoint => ({
  sent_at: `2026-11-28T10:0${minute}:00Z`,
  usd,
  tokens
});

test('a plot has axes from zero to the highest value and from the first request to the last', () => {
  const texts = (figure: HTMLElement, name: string): (string | null)[] =>
    [...figure.querySelectorAll(`.cc-plot-${name} > span`)].map(span => span.textContent);
  const clock = (minute: number): string =>
    new Date(`2026-11-28T10:0${minute}:00Z`).toLocaleTimeString([], {
      hour: '2-digit',
      minute: '2-digit'
    });
  const cost = plot([point(0.00001, 5), point(0.02, 9, 4)], '$0.02 + 1 request of unknown cost');
  expect(texts(cost, 'legend')).toEqual(['Cost so far: $0.02 + 1 request of unknown cost']);
  expect(texts(cost, 'y')).toEqual(['$0.02', '$0']);
  expect(texts(cost, 'x')).toEqual([clock(0), clock(4)]);
  const tokens = plot([point(0, 1200)], '$0');
  expect(texts(tokens, 'y')).toEqual(['1,200', '0']);
  expect(texts(tokens, 'x')).toEqual([clock(0), '']);
  expect(texts(plot([point(0.0000123, 5)], '<$0.0001'), 'y')).toEqual(['$0.000012', '$0']);
});

test('a plot has a text alternative that names its quantity', () => {
  const label = (...points: IUsagePoint[]): string | null | undefined =>
    plot(points, '$0.02').querySelector('[role=img]')?.getAttribute('aria-label');
  expect(label(point(0.01, 5), point(0.02, 9))).toContain('Cost so far: $0.02 after 2 requests, ');
  expect(label(point(0, 1200))).toContain('Tokens so far: 1,200 after 1 request, ');
});

test.each([
  ['a **b** c', '<div>a <mark>b</mark> c</div>'],
  ['**b**', '<div><mark>b</mark></div>'],
  ['a ** b', '<div>a ** b</div>'],
  ['**b** and **c', '<div><mark>b</mark> and **c</div>'],
  ['<i>a</i> **<b>**', '<div>&lt;i&gt;a&lt;/i&gt; <mark>&lt;b&gt;</mark></div>']
])('the snippet %j has its words marked', (snippet, html) => {
  const div = document.createElement('div');
  div.append(...markWords(snippet));
  expect(div.outerHTML).toBe(html);
});

test('a prompt sent several times from a cell is found once, as the best match', () => {
  const found = (id: string, prompt: string, cell: string): IFoundTurn => ({
    ...{ id, prompt, cell_id: cell, snippet: '', thread: 'main', notebook: 'a.ipynb' },
    ...{ model: 'a/b', sent_at: '2026-11-28T10:00:00Z' }
  });
  const turns = [
    found('1', 'x', 'c'),
    found('2', 'x', 'c'),
    found('3', 'x', 'd'),
    found('4', 'y', 'c')
  ];
  expect(distinct(turns).map(({ id }) => id)).toEqual(['1', '3', '4']);
});

test('a prompt that is inserted again is sent unchanged', () => {
  expect(promptCell('hello')).toBe('%%cmd\nhello');
  expect(promptCell('write {{ name }}')).toBe('%%cmd --raw\nwrite {{ name }}');
});
