import type { CodeCell } from '@jupyterlab/cells';
import type { IDisplayData } from '@jupyterlab/nbformat';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate } from 'y-protocols/awareness';
import { Doc } from 'yjs';

import {
  answerNewPages,
  isShared,
  pagesBefore,
  setOutputs,
  shareOutputs
} from '../../src/answer/sharedNotebook';

function output(text: string): IDisplayData {
  return { output_type: 'display_data', data: { 'text/plain': text }, metadata: {} };
}

/** The server has a state like each page, which names no user. */
const SERVER = [2, {}] as const;

/**
 * The outputs of a cell, and what another page of the same document sees of them: JupyterLab appends
 * there what was inserted, whatever its place.
 */
class FakeCell {
  elsewhere: IDisplayData[];
  readonly rendered: string[] = [];

  constructor(
    public here: IDisplayData[],
    private readonly pages: readonly number[]
  ) {
    this.elsewhere = [...here];
  }

  get cell(): CodeCell {
    const states = this.pages.map(id => [id, { user: { username: `user ${id}` } }] as const);
    const awareness = { clientID: 7, getStates: () => new Map([...states, SERVER]) };
    const outputs = {
      length: this.here.length,
      toJSON: () => [...this.here],
      set: (index: number, value: IDisplayData) => {
        this.here[index] = value;
        this.elsewhere.splice(index, 1);
        this.elsewhere.push(value);
        this.rendered.push(textOf(value));
      },
      fromJSON: (values: IDisplayData[]) => {
        this.here = [...values];
        this.elsewhere = [...values];
        this.rendered.push(...values.map(textOf));
      }
    };
    return { model: { outputs, sharedModel: { awareness } } } as unknown as CodeCell;
  }
}

interface IChange {
  readonly added: number[];
  readonly updated: number[];
  readonly removed: number[];
}

/** A server that sends what a page announces to the pages that are open then, and keeps nothing. */
class FakeServer {
  private readonly pages: Awareness[] = [];

  open(name: string): Awareness {
    const page = new Awareness(new Doc());
    this.pages.push(page);
    page.on('update', ({ added, updated, removed }: IChange, origin: unknown) => {
      if (origin !== this) {
        const update = encodeAwarenessUpdate(page, [...added, ...updated, ...removed]);
        for (const other of this.pages.filter(each => each !== page)) {
          applyAwarenessUpdate(other, update, this);
        }
      }
    });
    page.setLocalStateField('user', { name });
    return page;
  }

  close(): void {
    for (const page of this.pages) {
      page.destroy();
    }
  }
}

function panelOf(awareness: Awareness): NotebookPanel {
  return { content: { model: { sharedModel: { awareness } } } } as unknown as NotebookPanel;
}

function textOf({ data }: IDisplayData): string {
  return data['text/plain'] as string;
}

const KEPT = output('printed');
const server = new FakeServer();

afterAll(() => {
  server.close();
});

test.each([
  ['one without collaboration', [], 0, false],
  ['the only page', [7], 0, false],
  ['the first of two', [7, 9], 0, true],
  ['the last of three', [7, 3, 5], 2, true]
])('a page knows its place: %s', (_, pages, before, shared) => {
  const { cell } = new FakeCell([], pages);
  expect(pagesBefore(cell)).toBe(before);
  expect(isShared(cell)).toBe(shared);
});

test('a page that opens a notebook knows the pages that have it open', () => {
  const first = server.open('first');
  answerNewPages(panelOf(first));
  const second = server.open('second');
  answerNewPages(panelOf(second));
  const third = server.open('third');
  const all = [first, second, third].map(({ clientID }) => clientID).sort();
  for (const page of [first, second, third]) {
    expect([...page.getStates().keys()].sort()).toEqual(all);
  }
});

test('outputs that stay are not rendered again without collaboration', () => {
  const fake = new FakeCell([KEPT, output('old')], []);
  setOutputs(fake.cell, [KEPT, output('new')]);
  expect(fake.here.map(textOf)).toEqual(['printed', 'new']);
  expect(fake.rendered).toEqual(['new']);
});

test.each([
  ['that it knows', [7, 9]],
  ['that it does not know yet', [7]]
])('every page has the same outputs after a version is switched, also one %s', (_, pages) => {
  const fake = new FakeCell([output('old'), output('old usage')], pages);
  const after = [output('new'), output('new usage')];
  setOutputs(fake.cell, after);
  expect(fake.here).toEqual(after);
  expect(fake.elsewhere).toEqual(after);
});

test.each([
  [
    [7, 9],
    ['answer', 'usage']
  ],
  [[7], ['usage', 'answer']]
])('what other pages have put in disorder is sent again, if there are any: %j', (pages, seen) => {
  const fake = new FakeCell([output('answer'), output('usage')], pages);
  fake.elsewhere.reverse();
  shareOutputs(fake.cell);
  expect(fake.elsewhere.map(textOf)).toEqual(seen);
  expect(fake.here.map(textOf)).toEqual(['answer', 'usage']);
});
