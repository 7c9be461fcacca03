import type { CodeCell } from '@jupyterlab/cells';
import type { IDisplayData } from '@jupyterlab/nbformat';

import { isShared, pagesBefore, setOutputs, shareOutputs } from '../../src/answer/sharedNotebook';

function output(text: string): IDisplayData {
  return { output_type: 'display_data', data: { 'text/plain': text }, metadata: {} };
}

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
    const awareness = { clientID: 7, getStates: () => new Map(this.pages.map(id => [id, {}])) };
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
    const sharedModel = this.pages.length > 0 ? { awareness } : {};
    return { model: { outputs, sharedModel } } as unknown as CodeCell;
  }
}

function textOf({ data }: IDisplayData): string {
  return data['text/plain'] as string;
}

const KEPT = output('printed');

test.each([
  ['one that nobody shares', [], 0, false],
  ['the only page', [7], 0, false],
  ['the first of two', [7, 9], 0, true],
  ['the last of three', [7, 3, 5], 2, true]
])('a page knows its place: %s', (_, pages, before, shared) => {
  const { cell } = new FakeCell([], pages);
  expect(pagesBefore(cell)).toBe(before);
  expect(isShared(cell)).toBe(shared);
});

test('outputs that stay are not rendered again on the only page', () => {
  const fake = new FakeCell([KEPT, output('old')], [7]);
  setOutputs(fake.cell, [KEPT, output('new')]);
  expect(fake.here.map(textOf)).toEqual(['printed', 'new']);
  expect(fake.rendered).toEqual(['new']);
});

test('every page has the same outputs in the same order after a version is switched', () => {
  const fake = new FakeCell([output('old'), output('old usage')], [7, 9]);
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
