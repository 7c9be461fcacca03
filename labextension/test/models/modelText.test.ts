import { abilities, details, matching, prices, shortName } from '../../src/models/modelText';
import { model } from '../views';

const models = [
  model('deepseek/deepseek-v4-flash', { name: 'DeepSeek V4 Flash', reasons: true }),
  model('openai/gpt-mini', { name: 'GPT Mini', image: true, band: 'free' }),
  model('anthropic/claude-small', { name: 'Claude Small', image: true, reasons: true, band: '?' })
];

test.each([
  ['', 3],
  ['  ', 3],
  ['FLASH deep', 1],
  ['flash claude', 0],
  ['image', 2],
  ['image reasoning', 1],
  ['free', 1],
  ['openai/', 1]
])('%j matches models that contain all its words: %i', (query, count) => {
  expect(matching(models, query)).toHaveLength(count);
});

test('the results keep their order', () => {
  expect(matching(models, 'image').map(({ id }) => shortName(id))).toEqual([
    'gpt-mini',
    'claude-small'
  ]);
});

test('an unknown price is never free', () => {
  expect(models.map(prices)).toEqual(['$0.14 / $0.28', 'free', 'price ?']);
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
