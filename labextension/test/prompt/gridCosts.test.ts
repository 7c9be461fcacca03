import { Signal } from '@lumino/signaling';

import type { IEstimate, IRequests, IState } from '../../src/kernel/protocol';
import { CellCosts, type IEstimatingNotebook, PAUSE_MS } from '../../src/prompt/gridCosts';
import { state } from '../views';

const GRID = '%%cmd -m a,b\nhello';

class Kernel {
  readonly questions: IRequests['get_estimate'][] = [];
  state: IState | null = state({ running: null });
  isBusy = false;
  reply = (): Promise<IEstimate> => Promise.resolve({ requests: 2, cost: '~$0.01', needs: '' });
  readonly stateChanged = new Signal<never, IState | null>(this as never);

  set(next: IState | null): void {
    this.state = next;
    this.stateChanged.emit(next);
  }

  get notebook(): IEstimatingNotebook {
    // eslint-disable-next-line @typescript-eslint/no-this-alias -- the getter below reads its state
    const kernel = this;
    return {
      path: 'a.ipynb',
      isBusy: () => kernel.isBusy,
      link: {
        get state() {
          return kernel.state;
        },
        stateChanged: kernel.stateChanged,
        request: (_: string, body: unknown) => {
          kernel.questions.push(body as IRequests['get_estimate']);
          return kernel.reply() as Promise<never>;
        }
      }
    };
  }
}

let kernel: Kernel;
let costs: CellCosts;
let changes: number;
let stop: () => void;

beforeEach(() => {
  jest.useFakeTimers();
  kernel = new Kernel();
  changes = 0;
  costs = new CellCosts(
    () => 'cell-1',
    () => kernel.notebook
  );
  stop = costs.onChange(() => {
    changes += 1;
  });
});

afterEach(() => {
  jest.useRealTimers();
});

async function pause(): Promise<void> {
  await jest.advanceTimersByTimeAsync(PAUSE_MS);
}

test('one question follows a pause in typing, however often the text changed', async () => {
  for (const end of ['', ' w', ' wo', ' world']) {
    expect(costs.estimate(GRID + end)).toBeNull();
    await jest.advanceTimersByTimeAsync(PAUSE_MS / 2);
  }
  expect(kernel.questions).toEqual([]);
  await pause();
  expect(kernel.questions).toEqual([
    { notebook: 'a.ipynb', cell_id: 'cell-1', line: '-m a,b', text: 'hello world' }
  ]);
  expect(changes).toBe(1);
  expect(costs.estimate(`${GRID} world`)?.cost).toBe('~$0.01');
  await pause();
  expect(kernel.questions).toHaveLength(1);
});

test('the last cost stays while the prompt changes, and goes when the options do', async () => {
  costs.estimate(GRID);
  await pause();
  expect(costs.estimate(`${GRID}!`)?.cost).toBe('~$0.01');
  expect(costs.estimate('%%cmd -m a,b -n 2\nhello')).toBeNull();
});

test.each([
  ['a prompt runs', { running: {} as IState['running'] }, false],
  ['another cell runs', {}, true]
])('while %s, nothing is asked until it has ended', async (_, more, isBusy) => {
  kernel.state = state({ running: null, ...more });
  kernel.isBusy = isBusy;
  costs.estimate(GRID);
  await pause();
  await pause();
  expect(kernel.questions).toEqual([]);
  kernel.isBusy = false;
  kernel.set(state({ running: null }));
  await pause();
  expect(kernel.questions).toHaveLength(1);
});

test('a kernel that answers later is asked then, and another one again', async () => {
  kernel.state = null;
  costs.estimate(GRID);
  await pause();
  expect(kernel.questions).toEqual([]);
  kernel.set(state());
  await pause();
  kernel.set(null);
  kernel.set(state());
  await pause();
  expect(kernel.questions).toHaveLength(2);
});

test('a line that the kernel refuses has no cost, and is not asked again', async () => {
  kernel.reply = () => Promise.reject(new Error('unknown model'));
  costs.estimate(GRID);
  await pause();
  expect(costs.estimate(GRID)).toBeNull();
  kernel.set(state());
  await pause();
  expect(kernel.questions).toHaveLength(1);
});

test('a focused cell is estimated again only if anything has run since', async () => {
  costs.estimate(GRID);
  await pause();
  costs.refresh();
  await pause();
  expect(kernel.questions).toHaveLength(1);
  kernel.set(state());
  costs.refresh();
  await pause();
  expect(kernel.questions).toHaveLength(2);
});

test('an editor that is set up again asks again, once', async () => {
  costs.estimate(GRID);
  stop();
  costs.estimate(GRID);
  costs.onChange(() => undefined);
  await pause();
  expect(kernel.questions).toHaveLength(1);
});

test('an editor may be there before its notebook, and a console never has one', async () => {
  let asked = 0;
  costs = new CellCosts(
    () => 'cell-1',
    () => {
      asked += 1;
      return asked === 3 ? kernel.notebook : null;
    }
  );
  costs.onChange(() => undefined);
  costs.estimate(GRID);
  await jest.advanceTimersByTimeAsync(3 * PAUSE_MS);
  expect(kernel.questions).toHaveLength(1);
  costs.estimate(`${GRID}!`);
  await jest.advanceTimersByTimeAsync(100 * PAUSE_MS);
  expect(asked).toBeLessThan(20);
});

test('a removed editor asks nothing', async () => {
  costs.estimate(GRID);
  stop();
  await pause();
  expect(kernel.questions).toEqual([]);
});
