/** @jest-environment jsdom */

import { ConversationsSection } from '../../src/panel/conversations';
import type { IPanelHost } from '../../src/panel/host';
import { treeRows } from '../../src/panel/treeRows';
import type { ICell, IState, ITree } from '../../src/kernel/protocol';
import { thread, turn } from '../views';

const fork = thread('try', 3, { shared: 2 });
const main = thread('main', 3, { forks: [fork] });
const old = thread('old', 1, { live: false });
const tree: ITree = { current: 'main', threads: [main, old] };

class Host implements IPanelHost {
  readonly notebook = 'a.ipynb';
  readonly requests: unknown[] = [];
  tree: ITree = tree;
  name: string | null = null;
  error: string | null = null;
  cells = new Set(['cell-1', 'cell-2']);

  request: IPanelHost['request'] = (type, body) => {
    if (type !== 'get_tree') {
      this.requests.push([type, body]);
      if (this.error !== null) {
        return Promise.reject(new Error(this.error));
      }
    }
    return Promise.resolve((type === 'get_tree' ? this.tree : { said: '' }) as never);
  };
  goTo = (cell: string): boolean => this.cells.has(cell);
  insert = (): void => undefined;
  compare = (): string => '';
  askName = (): Promise<string | null> => Promise.resolve(this.name);
}

let host: Host;
let cells: IState['cells'] = {};
let section: ConversationsSection;

beforeEach(async () => {
  cells = {};
  host = new Host();
  section = new ConversationsSection();
  document.body.replaceChildren(section.node);
  await section.refresh(host, { cells });
});

function lines(): HTMLElement[] {
  return [...document.querySelectorAll<HTMLElement>('[role=treeitem]')];
}

function names(): string[] {
  return lines().map(line => line.querySelector('.cc-line-name')?.textContent ?? '');
}

function press(...keys: string[]): void {
  for (const key of keys) {
    document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  }
}

function selected(): string {
  return document.querySelector('[aria-selected=true] .cc-line-name')?.textContent ?? '';
}

function button(label: string): HTMLButtonElement {
  const found = [...document.querySelectorAll('button')].find(
    ({ textContent }) => textContent === label
  );
  if (!found) {
    throw new Error(`no button ${label}`);
  }
  return found;
}

function note(): string {
  return document.querySelector('.cc-note[role=status]')?.textContent ?? '';
}

async function settled(): Promise<void> {
  await new Promise(resolve => setTimeout(resolve));
}

test('a fork is below the last turn that it shares and shows only its own turns', () => {
  expect(names()).toEqual(['main', 'prompt 1', 'prompt 2', 'try', 'prompt 3', 'prompt 3', 'old']);
  expect(lines().map(line => line.getAttribute('aria-level'))).toEqual([
    ...['1', '2', '2', '2', '3', '2', '1']
  ]);
});

test.each([0, 9])('a fork that shares %i turns is shown too', shared => {
  const strange = thread('main', 2, { forks: [thread('far', 1, { shared })] });
  const rows = treeRows({ current: 'main', threads: [strange] }, () => true);
  expect(rows.filter(row => row.thread.name === 'far' && !row.turn)).toHaveLength(1);
});

test('a fork of a fork that branched off before it is shown', () => {
  const deep = thread('deep', 2, { shared: 1 });
  const between = thread('between', 3, { shared: 2, forks: [deep] });
  const top = thread('top', 3, { forks: [between] });
  const rows = treeRows({ current: 'top', threads: [top] }, () => true);
  expect(rows.map(row => (row.turn ? row.turn.turn : row.thread.name))).toEqual([
    ...['top', 1, 2, 'between', 'deep', 2, 3, 3]
  ]);
});

test('model, cost, version and a stale mark follow a turn', async () => {
  const marked = turn(1, { stale: true, versions: 3, active: 2, ended: 'length', cost: '~$0.01' });
  host.tree = { current: 'main', threads: [{ ...main, turns: [marked], forks: [] }] };
  await section.refresh(host, { cells });
  expect(lines()[1]?.textContent).toBe(
    'prompt 1 stale deepseek-v4-flash · ~$0.01 · version 2 of 3 · length'
  );
});

test('a blind grid shows no model before it is revealed', async () => {
  const grid = turn(1, { model: null, cost: '', blind: true, versions: 4, active: 1 });
  host.tree = { current: 'main', threads: [{ ...main, turns: [grid], forks: [] }] };
  await section.refresh(host, { cells });
  expect(lines()[1]?.textContent).toBe('prompt 1 blind grid · version 1 of 4');
});

test('a grid is one turn, which opens to its versions by combination', async () => {
  const grid = turn(1, {
    versions: 4,
    active: 3,
    combinations: [
      { model: 'maker/one', differs: 't 0', versions: [1, 2] },
      { model: 'maker/two', differs: 't 0', versions: [3] },
      { model: '', differs: '', versions: [4, 6] }
    ]
  });
  host.tree = { current: 'main', threads: [{ ...main, turns: [grid], forks: [] }] };
  await section.refresh(host, { cells });
  expect(lines()).toHaveLength(2);
  expect(lines()[1]?.textContent).toBe(
    '▸prompt 1 deepseek-v4-flash · $0.0001 · grid · version 3 of 4'
  );
  lines()[0]?.focus();
  press('ArrowDown', 'ArrowRight', 'ArrowRight');
  expect(lines().map(line => line.textContent)).toEqual([
    expect.stringContaining('main'),
    expect.stringContaining('▾prompt 1'),
    'one · t 0 versions 1 to 2',
    'two · t 0 version 3 · version 3 is active',
    ' versions 4, 6'
  ]);
  expect(lines().map(line => line.getAttribute('aria-level'))).toEqual(['1', '2', '3', '3', '3']);
  expect(selected()).toBe('one · t 0');
  press('ArrowLeft', 'ArrowLeft');
  expect(lines()).toHaveLength(2);
});

test('a turn that is stale only because of a variable is marked in its own conversation', async () => {
  const stale = { thread: 'main', turn: 2, stale: true } as ICell;
  cells = { 'cell-2': stale, 'cell-3': { ...stale, turn: 1 } };
  await section.refresh(host, { cells });
  const shown = lines().filter(line => line.querySelector('.cc-stale'));
  expect(shown).toEqual([lines()[2]]);
});

test('the keys of a tree move through it, open it and close it', () => {
  lines()[0]?.focus();
  press('ArrowDown', 'ArrowDown', 'ArrowDown');
  expect(selected()).toBe('try');
  press('ArrowLeft');
  expect(lines()).toHaveLength(6);
  press('ArrowRight', 'ArrowRight', 'ArrowLeft');
  expect(selected()).toBe('try');
  press('Home', 'ArrowLeft');
  expect(names()).toEqual(['main', 'old']);
  press('End', 'Enter');
  expect(names()).toEqual(['main', 'old', 'prompt 1']);
  expect(document.querySelectorAll('[role=treeitem][tabindex="0"]')).toHaveLength(1);
});

test('a refresh keeps the selection and the focus', async () => {
  lines()[2]?.focus();
  lines()[2]?.click();
  host.tree = { ...tree, current: 'try' };
  await section.refresh(host, { cells });
  expect(selected()).toBe('prompt 2');
  expect(document.activeElement).toBe(lines()[2]);
});

test('a refresh without a change does not replace the lines', async () => {
  const [before] = lines();
  await section.refresh(host, { cells });
  expect(lines()[0]).toBe(before);
});

test('a turn whose cell was deleted says so', () => {
  lines()[2]?.click();
  expect(note()).toBe('');
  lines()[5]?.click();
  expect(note()).toBe('This cell is no longer in the notebook.');
});

test('a fork shares everything up to the turn, and the new conversation becomes current', async () => {
  lines()[2]?.click();
  host.name = 'other';
  button('Fork from here…').click();
  await settled();
  expect(host.requests).toEqual([
    ['fork', { thread: 'main', turn: 2, name: 'other' }],
    ['set_thread', { thread: 'other' }]
  ]);
});

test('without a name there is no fork', async () => {
  lines()[2]?.click();
  button('Fork from here…').click();
  await settled();
  expect(host.requests).toEqual([]);
});

test('the error of the kernel is shown', async () => {
  host.error = 'a thread other already exists';
  host.name = 'other';
  lines()[2]?.click();
  button('Fork from here…').click();
  await settled();
  expect(note()).toBe('a thread other already exists');
});

test('only a turn of this session can be forked, and only another conversation continued', () => {
  lines()[0]?.click();
  expect([button('Fork from here…').disabled, button('Continue conversation').disabled]).toEqual([
    ...[true, true]
  ]);
  lines()[6]?.click();
  expect([button('Fork from here…').disabled, button('Continue conversation').disabled]).toEqual([
    ...[true, false]
  ]);
});

test('an earlier conversation can be continued', async () => {
  lines()[6]?.click();
  button('Continue conversation').click();
  await settled();
  expect(host.requests).toEqual([['set_thread', { thread: 'old' }]]);
  expect(note()).toBe('Cells without --thread now continue old.');
});

test('a notebook without prompts says so until there is one', async () => {
  const none = (): boolean =>
    [...document.querySelectorAll<HTMLElement>('.cc-note')].some(
      ({ hidden, textContent }) => !hidden && textContent === 'No prompts yet.'
    );
  expect(none()).toBe(false);
  host.tree = { current: 'main', threads: [thread('main', 0)] };
  await section.refresh(host, { cells });
  expect(none()).toBe(true);
  host.tree = tree;
  await section.refresh(host, { cells });
  expect(none()).toBe(false);
});
