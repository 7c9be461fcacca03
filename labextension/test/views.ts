/** Sample data for the tests of the views. */

import type { IModel, IState, IThread, ITurn } from '../src/kernel/protocol';

export function model(id: string, more: Partial<IModel> = {}): IModel {
  return {
    id,
    name: id,
    maker: id.split('/')[0] ?? '',
    input: '$0.14',
    output: '$0.28',
    cost: 0.2,
    band: 'low',
    window: 128_000,
    ceiling: 8192,
    hottest: 2,
    endpoint: '/chat/completions',
    efforts: [],
    image: false,
    reasons: false,
    notes: [],
    last: '',
    speed: '',
    words: [],
    group: '',
    ...more
  };
}

export function turn(number: number, more: Partial<ITurn> = {}): ITurn {
  return {
    turn: number,
    cell_id: `cell-${number}`,
    prompt: `prompt ${number}`,
    answer: `answer ${number}`,
    model: 'deepseek/deepseek-v4-flash',
    cost: '$0.0001',
    ended: 'stop',
    versions: 1,
    active: 1,
    stale: false,
    anew: false,
    blind: false,
    combinations: [],
    ...more
  };
}

export function thread(name: string, turns: number, more: Partial<IThread> = {}): IThread {
  const numbers = Array.from({ length: turns }, (_, at) => turn(at + 1));
  return { name, live: true, shared: 0, turns: numbers, forks: [], ...more };
}

export function state(more: Partial<IState> = {}): IState {
  return {
    model: 'deepseek/deepseek-v4-flash',
    short_name: 'deepseek-v4-flash',
    model_from: 'environment',
    thread: 'main',
    tokens_in: '1,204',
    tokens_out: '312',
    cost: '$0.0003',
    sums_of: 'notebook',
    budget_left: null,
    running: null,
    cells: {},
    ...more
  };
}
