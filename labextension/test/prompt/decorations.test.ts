/** @jest-environment jsdom */

import { EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';

import { promptDecorations } from '../../src/prompt/decorations';
import type { IGridCosts } from '../../src/prompt/gridCosts';

const NO_COSTS = {
  estimate: () => null,
  refresh: () => undefined,
  onChange: () => () => undefined
};
const NO_MODEL = { current: () => 'maker/default', onChange: () => () => undefined };

function cell(text: string, costs: IGridCosts = NO_COSTS): EditorView {
  const state = EditorState.create({ doc: text, extensions: promptDecorations(NO_MODEL, costs) });
  return new EditorView({ state, parent: document.body });
}

test.each([
  ['%%cmd\nhello', 'default'],
  ['%%cmd -m maker/one\nhello', 'one'],
  ['%%cmd -m maker/one,maker/two\nhello', '2 requests'],
  ['%%cmd -m a,b -t 0,1 -n 300\nhello', '1,200 requests'],
  ['%%cmd -n 1\nhello', '1 request'],
  ['%%cmd --vary topic=topics -m a,b\n{{ topic }}', '2 requests × topic'],
  ['%%cmd --until-pass --check ok -m a,b,c\nhello', 'a, b, c'],
  ['%%cmd -m a,,b,c,d\nhello', '4 models'],
  ['%%cmd --tools f,g\nhello', 'default'],
  ['%%cmd -m m/one --tools f,g --allow f\nhello', 'one · runs f without asking'],
  ['%%cmd -n 2 --tools f --allow f,g\nhello', '2 requests · runs f, g without asking']
])(
  'the edge of %j names models and allowed tools, or counts the requests of a grid',
  (text, expected) => {
    const view = cell(text);
    expect(view.dom.querySelector('.cc-model-line')?.getAttribute('data-cc-model')).toBe(expected);
    view.destroy();
  }
);

test('Python in the option line is marked as in the prompt', () => {
  const view = cell('%%cmd --vary t=["a, b"] --check ok\n{{ t }}');
  const marked = [...view.dom.querySelectorAll('.cc-expression')].map(each => each.textContent);
  expect(marked).toEqual(['["a, b"]', 'ok', '{{ t }}']);
  view.destroy();
});

test('the cost of a grid appears when it is known, and its source is asked for at each change', () => {
  const sources: string[] = [];
  let estimate: ReturnType<IGridCosts['estimate']> = null;
  let changed = (): void => undefined;
  const view = cell('%%cmd -m a,b\nhello', {
    ...NO_COSTS,
    estimate: source => {
      sources.push(source);
      return estimate;
    },
    onChange: listener => {
      changed = listener;
      return () => undefined;
    }
  });
  const edge = (): string | null | undefined =>
    view.dom.querySelector('.cc-model-line')?.getAttribute('data-cc-model');
  expect(edge()).toBe('2 requests');
  estimate = { requests: 2, cost: '~$0.0003', needs: '' };
  changed();
  expect(edge()).toBe('2 requests · ~$0.0003');
  view.dispatch({ changes: { from: view.state.doc.length, insert: ' {{ x }}' } });
  expect(edge()).toBe('2 requests · ~$0.0003 + values');
  expect(sources.at(-1)).toBe('%%cmd -m a,b\nhello {{ x }}');
  view.destroy();
});
