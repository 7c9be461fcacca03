import { abilities, details, matching, prices, shortName } from '../../src/models/modelText';
import { model } from '../views';

const models = [
  model('deepseek/deepseek-v4-flash', {
    name: 'DeepSeek V4 Flash',
    reasons: true,
    words: ['reasoning']
  }),
  model('openai/gpt-mini', {
    name: 'GPT Mini',
    image: true,
    band: 'free',
    words: ['free', 'image']
  }),
  model('anthropic/claude-small', {
    name: 'Claude Small',
    image: true,
    reasons: true,
    band: '?',
    window: 1_000_000,
    output: '?',
    words: ['image', 'reasoning']
  })
];

test.each([
  ['', 3],
  ['  ', 3],
  ['FLASH deep', 1],
  ['flash claude', 0],
  ['image', 2],
  ['image reasoning', 1],
  ['free', 1],
  ['openai/', 1],
  ['>200k', 1],
  ['<200k reas', 1],
  ['<$1', 2],
  ['>', 3]
])('%j matches models that contain all its words: %i', (query, count) => {
  expect(matching(models, query)).toHaveLength(count);
});

test('the results keep their order', () => {
  expect(matching(models, 'image').map(({ id }) => shortName(id))).toEqual([
    'gpt-mini',
    'claude-small'
  ]);
});

test('a name that contains the words as typed comes first', () => {
  const some = [model('a/haiku-4', { name: 'Haiku 4.5' }), model('a/5', { name: 'Haiku 5.5' })];
  expect(matching(some, 'haiku 5').map(({ id }) => id)).toEqual(['a/5', 'a/haiku-4']);
});

test('an unknown price is never free', () => {
  expect(models.map(prices)).toEqual([
    ['$0.14', '$0.28'],
    ['', 'free'],
    ['', 'price ?']
  ]);
});

test.each([
  [null, '?'],
  [900, '900'],
  [128_000, '128k'],
  [1_048_576, '1.05M']
])('a window of %p tokens is %s', (window, text) => {
  expect(abilities(model('a/b', { window }))).toBe(text);
});

test('unknown details say so, and empty notes are left out', () => {
  const known = new Map(details(model('a/b', { window: null, input: '?' })));
  expect(known.get('context window')).toBe('?');
  expect(known.get('prompt price')).toBe('?');
  expect(known.get('answer price')).toBe('$0.28 per million tokens');
  expect(known.get('your speed')).toBe('not measured yet');
  expect(known.has('notes')).toBe(false);
});
