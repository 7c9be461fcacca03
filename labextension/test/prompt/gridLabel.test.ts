import { gridLabel, sendsValues } from '../../src/prompt/gridLabel';

const SIZE = { requests: 18, varied: [] };

test.each([
  [SIZE, null, false, '18 requests'],
  [SIZE, { requests: 18, cost: '~$0.0034', needs: '' }, false, '18 requests · ~$0.0034'],
  [SIZE, { requests: 18, cost: '~$0.0034', needs: '' }, true, '18 requests · ~$0.0034 + values'],
  [SIZE, { requests: 18, cost: '', needs: '' }, true, '18 requests'],
  [
    SIZE,
    { requests: 12, cost: '~$3.1 + ?', needs: 'add --max-usd 3.8' },
    false,
    '18 requests · 6 cannot be sent · ~$3.1 + ? · add --max-usd 3.8'
  ],
  [
    { requests: 2, varied: ['topic', 'tone'] },
    { requests: 2, cost: '~$0.0011', needs: '' },
    false,
    '2 requests × topic × tone · ~$0.0011 × topic × tone'
  ]
])('%j with %j', (size, estimate, hasValues, expected) => {
  expect(gridLabel(size, estimate, hasValues)).toBe(expected);
});

test.each([
  ['%%cmd -n 2', '\nhello', false, false],
  ['%%cmd -n 2', '\n{{ x }}', false, true],
  ['%%cmd -n 2 --raw', '\n{{ x }}', true, false],
  ['%%cmd -i chart.png -n 2', '\nhello', false, true],
  ['%%cmd --image=chart.png -n 2', '\nhello', false, true]
])('whether %j with %j sends values', (line, text, isRaw, expected) => {
  expect(sendsValues(line, text, isRaw)).toBe(expected);
});
