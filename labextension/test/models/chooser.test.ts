/** @jest-environment jsdom */

import { chooseModel } from '../../src/models/chooser';
import { model } from '../views';

const rows = [
  model('deepseek/flash', { name: 'Flash' }),
  model('deepseek/pro', { name: 'Pro' }),
  model('openai/mini', { name: '<img src=x>' })
];
const models = { rows, current: 'deepseek/pro', fresh: true, note: 'updated today' };

beforeAll(() => {
  // jsdom does not implement these methods
  HTMLDialogElement.prototype.showModal = function () {
    this.open = true;
  };
  HTMLDialogElement.prototype.close = function () {
    this.open = false;
    this.dispatchEvent(new Event('close'));
  };
});

function open(load = () => Promise.resolve(models)): Promise<string | null> {
  return chooseModel({ title: 'Model of this notebook', load });
}

function input(): HTMLInputElement {
  const found = document.querySelector<HTMLInputElement>('.cc-chooser input');
  if (!found) {
    throw new Error('no chooser is open');
  }
  return found;
}

function type(text: string): void {
  input().value = text;
  input().dispatchEvent(new Event('input'));
}

function press(...keys: string[]): void {
  for (const key of keys) {
    input().dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
  }
}

function active(): string {
  const id = input().getAttribute('aria-activedescendant') ?? '';
  return document.getElementById(id)?.querySelector('.cc-model-id')?.textContent ?? '';
}

async function shown(): Promise<void> {
  await Promise.resolve();
  await Promise.resolve();
}

afterEach(() => {
  document.body.replaceChildren();
});

test('it starts at the model in use, and Enter selects it', async () => {
  const chosen = open();
  await shown();
  expect(active()).toBe('deepseek/pro');
  press('Enter');
  expect(await chosen).toBe('deepseek/pro');
  expect(document.querySelector('dialog')).toBeNull();
});

test('favourites and recent models are listed under headings, a search is not', async () => {
  const grouped = [
    model('a/liked', { group: 'favourite' }),
    model('a/used', { group: 'recent' }),
    model('a/other')
  ];
  void open(() => Promise.resolve({ ...models, rows: grouped, current: 'a/used' }));
  await shown();
  const headings = (): (string | null)[] =>
    [...document.querySelectorAll('.cc-model-group')].map(({ textContent }) => textContent);
  expect(headings()).toEqual(['Favourites', 'Recent', 'All others']);
  expect(active()).toBe('a/used');
  press('ArrowUp');
  expect(active()).toBe('a/liked');
  type('a/');
  expect(headings()).toEqual([]);
  expect(document.querySelectorAll('.cc-star')).toHaveLength(1);
});

test('the arrow keys move through the results and stop at both ends', async () => {
  const chosen = open();
  await shown();
  type('deepseek');
  press('ArrowDown', 'ArrowDown', 'ArrowUp', 'ArrowUp', 'ArrowUp');
  expect(active()).toBe('deepseek/flash');
  press('Enter');
  expect(await chosen).toBe('deepseek/flash');
});

test('the first result is highlighted if the model in use is not among them', async () => {
  const chosen = open();
  await shown();
  type('mini');
  expect(active()).toBe('openai/mini');
  press('Enter');
  expect(await chosen).toBe('openai/mini');
});

test('Esc first clears the search, then closes without a choice', async () => {
  const chosen = open();
  await shown();
  type('no such model');
  expect(document.querySelector('.cc-model-more')?.textContent).toContain('No model matches');
  press('Enter', 'Escape');
  expect(input().value).toBe('');
  press('Escape');
  expect(await chosen).toBeNull();
});

test('a name is always text, never HTML', async () => {
  void open();
  await shown();
  expect(document.querySelector('img')).toBeNull();
  expect(document.querySelectorAll('[role=option]')[2]?.textContent).toContain('<img src=x>');
});

test('the error of the kernel is shown', async () => {
  void open(() => Promise.reject(new Error('a cell is running')));
  await shown();
  expect(document.querySelector('.cc-note')?.textContent).toBe('a cell is running');
});

test('a second chooser replaces the first', async () => {
  const first = open();
  void open();
  expect(await first).toBeNull();
  expect(document.querySelectorAll('dialog')).toHaveLength(1);
});

test('five thousand models are searched, and two hundred are shown', async () => {
  const many = Array.from({ length: 5000 }, (_, at) => model(`maker/model-${at}`));
  void open(() => Promise.resolve({ ...models, rows: many }));
  await shown();
  expect(document.querySelectorAll('[role=option]')).toHaveLength(200);
  expect(document.querySelector('.cc-model-more')?.textContent).toBe(
    '4,800 more; type to narrow the list'
  );
  type('model-4999');
  expect(active()).toBe('maker/model-4999');
});
