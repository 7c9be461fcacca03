import { markdown } from '@codemirror/lang-markdown';
import { pythonLanguage, python } from '@codemirror/lang-python';
import { type Language, ensureSyntaxTree, language } from '@codemirror/language';
import { EditorState } from '@codemirror/state';
import { EditorView } from '@codemirror/view';

import { promptExtension } from '../../src/prompt/editorExtension';
import { promptLanguage } from '../../src/prompt/promptLanguage';

const PROMPT = promptLanguage(
  markdown({ codeLanguages: name => (name === 'python' ? pythonLanguage : null) }).language
);
const NO_MODEL = { current: () => '', onChange: () => () => undefined };
const NO_COSTS = {
  estimate: () => null,
  refresh: () => undefined,
  onChange: () => () => undefined
};

function cell(text: string, loaded: Language | null = PROMPT): EditorState {
  const lazy = { loaded, load: () => Promise.resolve(PROMPT) };
  return EditorState.create({
    doc: text,
    extensions: [python(), promptExtension(text, lazy, NO_MODEL, NO_COSTS)]
  });
}

function change(state: EditorState, from: number, to: number, insert: string): EditorState {
  return state.update({ changes: { from, to, insert } }).state;
}

function isPrompt(state: EditorState): boolean {
  return state.facet(language) === PROMPT;
}

/** Return the nodes with these names, and their text. */
function nodes(state: EditorState, ...names: string[]): string[] {
  const found: string[] = [];
  ensureSyntaxTree(state, state.doc.length, 5000)?.iterate({
    enter: ({ name, from, to }) => {
      if (names.includes(name)) {
        found.push(`${name}: ${state.sliceDoc(from, to)}`);
      }
    }
  });
  return found;
}

test('a cell is a prompt from the start if its text is one', () => {
  expect(isPrompt(cell('%%cmd\nhello'))).toBe(true);
  expect(isPrompt(cell('\n\n%%cmd\nhello'))).toBe(true);
  expect(isPrompt(cell('x = 1'))).toBe(false);
  expect(isPrompt(cell('# %%cmd\nhello'))).toBe(false);
  expect(isPrompt(cell(''))).toBe(false);
});

test('the keystroke that makes a prompt switches the language, and so does the one that ends it', () => {
  let state = cell('%%cm');
  expect(isPrompt(state)).toBe(false);
  state = change(state, 4, 4, 'd');
  expect(isPrompt(state)).toBe(true);
  state = change(state, 5, 5, '\nhello');
  expect(isPrompt(state)).toBe(true);
  state = change(state, 4, 5, '');
  expect(isPrompt(state)).toBe(false);
});

test('the transaction changes nothing but the language', () => {
  const transaction = cell('%%cm').update({ changes: { from: 4, insert: 'd' } });
  expect(transaction.newDoc.toString()).toBe('%%cmd');
  expect(transaction.state.facet(language)).toBe(PROMPT);
  expect(transaction.effects).toHaveLength(1);
});

test('a prompt is edited as one before its language is loaded', () => {
  const state = cell('%%cmd\nhello', null);
  expect(state.facet(language)).toBe(pythonLanguage);
  expect(state.facet(EditorView.contentAttributes)).toContainEqual({
    'aria-label': 'Prompt',
    spellcheck: 'true'
  });
});

test('a Python cell gets neither spell checking nor wrapped lines', () => {
  expect(cell('x = 1').facet(EditorView.contentAttributes)).toEqual(
    EditorState.create({ extensions: python() }).facet(EditorView.contentAttributes)
  );
});

test('the option line is not Markdown', () => {
  const state = cell('%%cmd -s "*a*"\n---\n# Title');
  expect(nodes(state, 'SetextHeading2', 'Emphasis')).toEqual([]);
  expect(nodes(state, 'OptionLine', 'ATXHeading1')).toEqual([
    'OptionLine: %%cmd -s "*a*"',
    'ATXHeading1: # Title'
  ]);
});

test('a list or code directly below the option line is recognised', () => {
  expect(nodes(cell('%%cmd\n7. seven'), 'OrderedList')).toEqual(['OrderedList: 7. seven']);
  expect(nodes(cell('%%cmd\n    x'), 'CodeBlock')).toHaveLength(1);
});

test('an expression is not Markdown', () => {
  const state = cell('%%cmd\nIs {{ 2*a*b }} or *three*?');
  expect(nodes(state, 'Emphasis', 'Expression')).toEqual([
    'Expression: {{ 2*a*b }}',
    'Emphasis: *three*'
  ]);
});

test('a fenced block is parsed in its own language', () => {
  const state = cell('%%cmd\n```python\ndef f(): pass\n```');
  const tree = ensureSyntaxTree(state, state.doc.length, 5000);
  expect(tree?.resolveInner(state.doc.line(3).from, 1).parent?.name).toBe('FunctionDefinition');
});
