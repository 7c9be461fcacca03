/** @jest-environment jsdom */

import { EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';

import { promptDecorations } from '../../src/prompt/decorations';

const NO_MODEL = { current: () => 'maker/default', onChange: () => () => undefined };

function cell(text: string): EditorView {
  const state = EditorState.create({ doc: text, extensions: promptDecorations(NO_MODEL) });
  return new EditorView({ state, parent: document.body });
}

test.each([
  ['%%cmd\nhello', 'default'],
  ['%%cmd -m maker/one\nhello', 'one'],
  ['%%cmd -m maker/one,maker/two\nhello', 'one, two'],
  ['%%cmd -m a,b -m c\nhello', 'a, b, c'],
  ['%%cmd -m a,b,c,d\nhello', '4 models']
])('the edge of %j names the models', (text, expected) => {
  const view = cell(text);
  expect(view.dom.querySelector('.cc-model-line')?.getAttribute('data-cc-model')).toBe(expected);
  view.destroy();
});

test('Python in the option line is marked as in the prompt', () => {
  const view = cell('%%cmd --vary t=["a, b"] --check ok\n{{ t }}');
  const marked = [...view.dom.querySelectorAll('.cc-expression')].map(each => each.textContent);
  expect(marked).toEqual(['["a, b"]', 'ok', '{{ t }}']);
  view.destroy();
});
