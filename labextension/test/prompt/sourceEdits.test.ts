import {
  applyEdit,
  comparison,
  isPromptSource,
  modelEdit,
  modelsEdit,
  optionLineOf,
  promptParts,
  textEdit,
  toggleEdit
} from '../../src/prompt/sourceEdits';

const toggle = (source: string, line = ''): string => applyEdit(source, toggleEdit(source, line));
const model = (source: string, id = 'b/c'): string | null => {
  const edit = modelEdit(source, id);
  return edit && applyEdit(source, edit);
};

test.each([
  ['', '%%cmd\n'],
  ['why?', '%%cmd\nwhy?'],
  ['%%cmd\nwhy?', 'why?'],
  ['%%cmd -m local -> x\nwhy?\n%%cmd', 'why?\n%%cmd'],
  ['\n\n%%cmd\nwhy?', '\n\nwhy?'],
  ['%%cmd', ''],
  ['%%time\nx', '%%cmd\n%%time\nx']
])('%j becomes %j', (source, expected) => {
  expect(toggle(source)).toBe(expected);
});

test('a prompt that was turned back and forth has its options again', () => {
  const source = '%%cmd -m local -> x\nwhy?';
  expect(toggle(toggle(source), optionLineOf(source))).toBe(source);
  expect(isPromptSource(toggle(source))).toBe(false);
});

test.each([
  ['%%cmd\nwhy?', '%%cmd -m b/c\nwhy?'],
  ['%%cmd', '%%cmd -m b/c'],
  ['%%cmd -t 1 -> x\nwhy?', '%%cmd -m b/c -t 1 -> x\nwhy?'],
  ['%%cmd -t 1 -m local -> x\nwhy -m z?', '%%cmd -t 1 -m b/c -> x\nwhy -m z?'],
  ['%%cmd -m=local\nwhy?', '%%cmd -m=b/c\nwhy?'],
  ['%%cmd --model "a b" -t 1', '%%cmd --model b/c -t 1'],
  ['%%cmd --model=local', '%%cmd --model=b/c'],
  ['%%cmd -m', '%%cmd -m b/c'],
  ['%%cmd -m -t 1', '%%cmd -m b/c -t 1'],
  ['%%cmd -m -> x', '%%cmd -m b/c -> x'],
  ['%%cmd -s "-m q" -> x', '%%cmd -m b/c -s "-m q" -> x'],
  ['\n  %%cmd -m local\n  why?', '\n  %%cmd -m b/c\n  why?']
])('%j with a model: %j', (source, expected) => {
  expect(model(source)).toBe(expected);
});

test.each([
  ['%%cmd -m x,y\nwhy?', '%%cmd -m x,y,b/c\nwhy?'],
  ['%%cmd -m x,y, -t 0,1', '%%cmd -m x,y,b/c -t 0,1'],
  ['%%cmd -m "x,y" -> g', '%%cmd -m "x,y,b/c" -> g'],
  ['%%cmd --model=x,y -n 3', '%%cmd --model=x,y,b/c -n 3'],
  ['%%cmd -m x -m y -> g', '%%cmd -m x -m y,b/c -> g'],
  ['%%cmd -m x,b/c', '%%cmd -m x,b/c'],
  ['%%cmd -m x -m b/c', '%%cmd -m x -m b/c'],
  ['%%cmd -m b/c,x', '%%cmd -m b/c,x'],
  ['%%cmd --until-pass -m x,y --check ok', '%%cmd --until-pass -m x,y,b/c --check ok'],
  ['%%cmd -m x,', '%%cmd -m b/c'],
  ['%%cmd -t 0,1 --vary m=[1, 2]', '%%cmd -m b/c -t 0,1 --vary m=[1, 2]']
])('%j, which compares, with one more model: %j', (source, expected) => {
  expect(model(source)).toBe(expected);
});

test('a model that is not a plain word is added to a list by itself', () => {
  expect(model('%%cmd -m x,y', 'my model')).toBe('%%cmd -m x,y -m "my model"');
  expect(model('%%cmd -m "x,y"', 'my model')).toBe('%%cmd -m "x,y,my model"');
});

test('a model that is not a plain word is quoted', () => {
  expect(model('%%cmd', 'my model')).toBe('%%cmd -m "my model"');
  expect(model('%%cmd', 'a->b')).toBe('%%cmd -m "a->b"');
  expect(model('%%cmd', 'say "x"')).toBe(`%%cmd -m 'say "x"'`);
});

test('a source that is not a prompt gets no model', () => {
  expect(model('x = 1')).toBeNull();
});

test.each([
  ['%%cmd\nhello', '%%cmd -m a/b,c\nhello'],
  ['%%cmd -m x -t 0 -> g\nhello', '%%cmd -m a/b,c -t 0 -> g\nhello'],
  ['%%cmd -m x,y -t 0 --model=z -n 2\nhello', '%%cmd -m a/b,c -t 0 -n 2\nhello'],
  ['  %%cmd -m\n  hello', '  %%cmd -m a/b,c\n  hello']
])('the models of %j are replaced', (source, expected) => {
  const change = modelsEdit(source, ['a/b', 'c']);
  expect(change && applyEdit(source, change)).toBe(expected);
});

test('models are compared in a new prompt, in quotes where they need them', () => {
  expect(comparison(['a/b', 'c:free'])).toBe('%%cmd -m a/b,c:free\n');
  expect(comparison(['a b', 'c'])).toBe('%%cmd -m "a b" -m c\n');
  expect(modelsEdit('x = 1', ['a', 'b'])).toBeNull();
});

test.each([
  ['%%cmd -m a,b\nhello\nworld', { line: '-m a,b', text: 'hello\nworld' }],
  ['\n%%cmd', { line: '', text: '' }],
  ['x = 1', null]
])('the parts of %j', (source, expected) => {
  expect(promptParts(source)).toEqual(expected);
});

test.each([
  ['%%cmd -t 1\nold\ntext', 'new', '%%cmd -t 1\nnew'],
  ['%%cmd', 'new', '%%cmd\nnew'],
  ['%%cmd\nold', 'a {{ b }}', '%%cmd --raw\na {{ b }}'],
  ['%%cmd --raw\nold', 'a {{ b }}', '%%cmd --raw\na {{ b }}']
])('the text of %j is replaced below its option line', (source, text, expected) => {
  const edit = textEdit(source, text);
  expect(edit && applyEdit(source, edit)).toBe(expected);
});

test('a cell that is not a prompt has no text to replace', () => {
  expect(textEdit('x = 1', 'new')).toBeNull();
});
