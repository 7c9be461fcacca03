import { SUBSHELL_LIMIT_MS, TARGET } from '../../src/kernel/channel';
import { KernelLink, LinkError, STOP_LIMIT_MS, STRAY_MS } from '../../src/kernel/kernelLink';
import type { IState } from '../../src/kernel/protocol';
import progress from '../../../tests/comm/progress.json';
import state from '../../../tests/comm/state.json';
import { FakeKernel, settle } from './fakeKernel';

const STATE = state.body as IState;
const LOAD = '%load_ext cc_jupyter';

let kernel: FakeKernel;
let link: KernelLink;
let notebook: string;

beforeEach(() => {
  jest.useFakeTimers();
  kernel = new FakeKernel();
  notebook = 'a.ipynb';
});

afterEach(() => {
  link.dispose();
  jest.useRealTimers();
});

async function connect(): Promise<void> {
  link = new KernelLink(kernel.connection, { version: '0.1.0', notebook: () => notebook });
  await settle();
}

/** Connect, and answer the hello and the first question. */
async function ready(): Promise<void> {
  await connect();
  kernel.comm.answer('hello', { version: '0.1.0' });
  await settle();
  kernel.comm.answer('state', STATE);
  await settle();
}

/** Give the types of what was sent on the last comm. */
function asked(): string[] {
  return kernel.comm.sent.map(({ type }) => type);
}

describe('the handshake', () => {
  test('says hello in opening and is ready when the kernel has answered', async () => {
    await connect();
    expect(kernel.comm.target).toBe(TARGET);
    expect(kernel.comm.isOpen).toBe(true);
    expect(kernel.comm.sent).toEqual([
      { v: 1, type: 'hello', id: expect.any(String) as string, body: { version: '0.1.0' } }
    ]);
    expect(link.status).toBe('waiting');
    kernel.comm.answer('hello', { version: '9.9.9' });
    expect(link.status).toBe('ready');
  });

  test('is followed by the question where the notebook stands', async () => {
    await ready();
    expect(kernel.comm.last.body).toEqual({ notebook: 'a.ipynb' });
    expect(link.state).toEqual(STATE);
  });

  test('waits for the subshell, since what is sent earlier waits for a busy cell', async () => {
    let start = (): void => undefined;
    kernel.subshellStarted = new Promise(resolve => {
      start = resolve;
    });
    await connect();
    expect(kernel.comm.sent).toEqual([]);
    start();
    await settle();
    expect(asked()).toEqual(['hello']);
  });

  test('does not wait for a subshell that never starts', async () => {
    kernel.subshellStarted = new Promise(() => undefined);
    await connect();
    jest.advanceTimersByTime(SUBSHELL_LIMIT_MS);
    await settle();
    expect(asked()).toEqual(['hello']);
  });

  test('waits for a kernel that is starting', async () => {
    kernel.status = 'starting';
    await connect();
    expect(kernel.comms).toEqual([]);
    kernel.become('idle');
    await settle();
    expect(asked()).toEqual(['hello']);
  });

  test('ends in silence, said once, where the kernel speaks another version', async () => {
    const warned = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
    await connect();
    kernel.comm.answer('hello', { version: '3.0.0' }, 2);
    kernel.comm.answer('hello', { version: '3.0.0' }, 2);
    await settle();
    kernel.begin('1', '%%cmd\nhello');
    kernel.end('1');
    await settle();
    expect(link.status).toBe('incompatible');
    expect(kernel.comm.isClosed).toBe(true);
    expect(asked()).toEqual(['hello']);
    expect(warned).toHaveBeenCalledTimes(1);
    expect(warned.mock.calls[0]?.[0]).toContain('"3.0.0"');
    await expect(link.request('get_tree', { notebook })).rejects.toThrow(LinkError);
    warned.mockRestore();
  });
});

describe('a kernel that does not know us', () => {
  test('closes, and is left alone', async () => {
    await connect();
    kernel.comm.end();
    kernel.begin('1', 'print(1)');
    kernel.end('1');
    kernel.become('busy');
    kernel.become('idle');
    await settle();
    expect(link.status).toBe('absent');
    expect(kernel.comms.length).toBe(1);
  });

  test.each([LOAD, 'import x\n%reload_ext cc_jupyter', '  %load_ext  cc_jupyter'])(
    'is asked again when a cell with %j has ended',
    async code => {
      await connect();
      kernel.comm.end();
      kernel.begin('1', code);
      expect(kernel.comms.length).toBe(1);
      kernel.end('1');
      await settle();
      expect(kernel.comms.length).toBe(2);
      kernel.comm.answer('hello', { version: '0.1.0' });
      expect(link.status).toBe('ready');
    }
  );

  test('is asked again if it came to know us while the comm was on its way', async () => {
    await connect();
    kernel.begin('1', LOAD);
    kernel.end('1');
    await settle();
    kernel.comm.end();
    jest.advanceTimersByTime(STRAY_MS);
    await settle();
    expect(kernel.comms.length).toBe(2);
    kernel.comm.end();
    expect(link.status).toBe('absent');
  });

  test('is not asked again by cells that only speak of us', async () => {
    await connect();
    kernel.comm.end();
    for (const code of ['%load_ext autoreload', '# %load_ext cc_jupyter', 'import cc_jupyter']) {
      kernel.begin('1', code);
      kernel.end('1');
    }
    await settle();
    expect(kernel.comms.length).toBe(1);
  });

  test('is asked again when it has restarted', async () => {
    await connect();
    kernel.comm.end();
    kernel.become('restarting');
    kernel.become('starting');
    kernel.become('idle');
    await settle();
    expect(kernel.comms.length).toBe(2);
  });

  test('may be one whose comms another connection handles', async () => {
    kernel.handlesComms = false;
    await connect();
    expect(link.status).toBe('absent');
  });
});

describe('a question', () => {
  test('is answered by the message with its id, in whatever order they come', async () => {
    await ready();
    const tree = link.request('get_tree', { notebook });
    const treeId = kernel.comm.last.id;
    const usage = link.request('get_usage', { notebook });
    const usageId = kernel.comm.last.id;
    expect(treeId).not.toBe(usageId);
    kernel.comm.say({ v: 1, type: 'usage', id: usageId, body: { unknown: 1 } });
    kernel.comm.say({ v: 1, type: 'tree', id: treeId, body: { current: 'x' } });
    expect(await tree).toEqual({ current: 'x' });
    expect(await usage).toEqual({ unknown: 1 });
  });

  test('is rejected with what the kernel says, and what it advises', async () => {
    await ready();
    const wish = link.request('set_model', { model: 'x' });
    kernel.comm.answer('error', { message: 'unknown model', hint: 'did you mean y?' });
    await expect(wish).rejects.toMatchObject({ message: 'unknown model', hint: 'did you mean y?' });
  });

  test('waits on through messages that nobody understands', async () => {
    await ready();
    const tree = link.request('get_tree', { notebook });
    const { id } = kernel.comm.last;
    for (const odd of [null, 7, 'tree', [], {}, { v: 1, type: 'tree', id, body: null }]) {
      kernel.comm.say(odd);
    }
    kernel.comm.say({ v: 2, type: 'tree', id, body: { current: 'newer' } });
    kernel.comm.say({ v: 1, type: 'what_comes_later', id, body: {} });
    kernel.comm.say({ v: 1, type: 'tree', id: 'nobody', body: {} });
    kernel.comm.say({ v: 1, type: 'tree', id, body: { current: 'x' }, later: true });
    expect(await tree).toEqual({ current: 'x' });
  });

  test('is rejected when the kernel is lost before it answers', async () => {
    await ready();
    const tree = link.request('get_tree', { notebook });
    kernel.become('restarting');
    await expect(tree).rejects.toThrow('does not answer');
  });

  test('is rejected at once where nobody is there', async () => {
    await connect();
    await expect(link.request('get_tree', { notebook })).rejects.toThrow('does not answer');
    expect(asked()).toEqual(['hello']);
  });
});

describe('the state', () => {
  test('is asked for when a cell has ended, and not by the questions themselves', async () => {
    await ready();
    const told: (IState | null)[] = [];
    link.stateChanged.connect((_, news) => told.push(news));
    kernel.handled('comm-1');
    await settle();
    expect(asked()).toEqual(['hello', 'get_state']);
    kernel.begin('1', 'x = 1');
    kernel.end('1');
    await settle();
    expect(asked()).toEqual(['hello', 'get_state', 'get_state']);
    kernel.comm.answer('state', { ...STATE, thread: 'aside' });
    await settle();
    expect(told.map(news => news?.thread)).toEqual(['aside']);
  });

  test('counts while an answer comes, as the kernel tells of itself: nothing is asked', async () => {
    await ready();
    const told: (IState | null)[] = [];
    link.stateChanged.connect((_, news) => told.push(news));
    kernel.begin('1', '%%cmd -m x\nhello');
    const { running } = progress.body;
    kernel.ear.say(progress);
    kernel.ear.say({ ...progress, body: { running: { ...running, tokens: '~300' } } });
    expect(link.state).toEqual({ ...STATE, running: { ...running, tokens: '~300' } });
    kernel.ear.say({ ...progress, body: { running: null } });
    expect(told.map(news => news?.running?.tokens)).toEqual(['~211', '~300', undefined]);
    jest.advanceTimersByTime(60_000);
    await settle();
    expect(asked()).toEqual(['hello', 'get_state']);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('is asked for once more when a cell ends while it is being asked for', async () => {
    await ready();
    kernel.end('1');
    await settle();
    kernel.end('2');
    await settle();
    expect(asked()).toEqual(['hello', 'get_state', 'get_state']);
    kernel.comm.answer('state', STATE);
    await settle();
    expect(asked().length).toBe(4);
  });

  test('stays as it was when the kernel refuses it once, and is asked for again', async () => {
    await ready();
    kernel.end('1');
    await settle();
    kernel.comm.answer('error', { message: 'no', hint: null });
    await settle();
    expect(link.state).toEqual(STATE);
    kernel.end('2');
    await settle();
    expect(asked().length).toBe(4);
  });

  test('goes by the name that the notebook has now', async () => {
    await ready();
    notebook = 'renamed.ipynb';
    kernel.end('1');
    await settle();
    expect(kernel.comm.last.body).toEqual({ notebook: 'renamed.ipynb' });
  });
});

describe('the comm that listens', () => {
  test('is a second one of the same target, opened after the hello and silent', async () => {
    await connect();
    expect(kernel.made.length).toBe(1);
    kernel.comm.answer('hello', { version: '0.1.0' });
    await settle();
    expect(kernel.made.length).toBe(2);
    expect(kernel.ear.target).toBe(TARGET);
    kernel.begin('1', '%%cmd\nhello');
    kernel.end('1');
    void link.stop('c1');
    await settle();
    expect(kernel.ear.sent).toEqual([{ v: 1, type: 'listen', id: 'listen-0', body: {} }]);
  });

  test('waits for the subshell, or it would be opened when the busy cell has ended', async () => {
    await connect();
    let start = (): void => undefined;
    kernel.subshellStarted = new Promise(resolve => {
      start = resolve;
    });
    kernel.comm.answer('hello', { version: '0.1.0' });
    await settle();
    expect(kernel.made.at(-1)?.isOpen).toBe(false);
    start();
    await settle();
    expect(kernel.ear.isOpen).toBe(true);
  });

  test('is there without subshells too, since nothing is asked on it', async () => {
    kernel.supportsSubshells = false;
    await ready();
    kernel.ear.say(progress);
    expect(link.state?.running?.tokens).toBe('~211');
  });

  test('hears nothing before the first state, and nothing that it does not know', async () => {
    await connect();
    kernel.comm.answer('hello', { version: '0.1.0' });
    await settle();
    kernel.ear.say(progress);
    expect(link.state).toBeNull();
    kernel.comm.answer('state', STATE);
    await settle();
    for (const odd of [null, 7, {}, { ...progress, v: 2 }, { ...progress, type: 'comes_later' }]) {
      kernel.ear.say(odd);
    }
    expect(link.state).toEqual(STATE);
  });

  test('may be closed by the kernel: what is asked is answered all the same', async () => {
    await ready();
    kernel.ear.end();
    kernel.ear.dispose();
    kernel.end('1');
    await settle();
    kernel.comm.answer('state', { ...STATE, thread: 'aside' });
    await settle();
    expect([link.status, link.state?.thread]).toEqual(['ready', 'aside']);
  });

  test('goes with the link, each comm counted off once', async () => {
    await ready();
    const { comm, ear } = kernel;
    link.dispose();
    expect([comm.isClosed, ear.isClosed]).toEqual([true, true]);
    expect([comm.disposals, ear.disposals]).toEqual([1, 1]);
  });

  test('goes with a kernel that restarts, and another one listens to the next', async () => {
    await ready();
    const first = kernel.ear;
    kernel.become('restarting');
    expect([first.isDisposed, first.isClosed]).toEqual([true, false]);
    kernel.become('idle');
    await settle();
    kernel.comm.answer('hello', { version: '0.1.0' });
    await settle();
    kernel.comm.answer('state', STATE);
    await settle();
    expect(kernel.ear).not.toBe(first);
    kernel.ear.say(progress);
    expect(link.state?.running?.tokens).toBe('~211');
  });

  test('is kept until its subshell is there, which the next comm would lose else', async () => {
    await connect();
    let start = (): void => undefined;
    kernel.subshellStarted = new Promise(resolve => {
      start = resolve;
    });
    kernel.comm.answer('hello', { version: '0.1.0' });
    await settle();
    const ear = kernel.made.at(-1);
    link.dispose();
    await settle();
    expect(ear?.disposals).toBe(0);
    start();
    await settle();
    expect([ear?.disposals, ear?.isOpen]).toEqual([1, false]);
  });

  test('is not opened once the link is gone', async () => {
    await connect();
    kernel.subshellStarted = new Promise(() => undefined);
    kernel.comm.answer('hello', { version: '0.1.0' });
    link.dispose();
    jest.advanceTimersByTime(SUBSHELL_LIMIT_MS);
    await settle();
    expect(kernel.made.map(({ isOpen }) => isOpen)).toEqual([true, false]);
  });
});

describe('a way to the kernel that is gone', () => {
  test('is looked for anew, and what was asked on it is rejected', async () => {
    await ready();
    const tree = link.request('get_tree', { notebook });
    kernel.comm.stray();
    await expect(tree).rejects.toThrow('does not answer');
    kernel.become('busy');
    kernel.become('idle');
    expect(kernel.comms.length).toBe(1);
    jest.advanceTimersByTime(STRAY_MS);
    await settle();
    expect(kernel.comms.length).toBe(2);
    kernel.comm.answer('hello', { version: '0.1.0' });
    expect(link.status).toBe('ready');
  });

  test('is not looked for for ever', async () => {
    await connect();
    for (let time = 0; time < 20 && link.status === 'waiting'; time += 1) {
      kernel.comm.stray();
      jest.advanceTimersByTime(STRAY_MS);
      await settle();
    }
    expect(link.status).toBe('absent');
    expect(kernel.comms.length).toBe(6);
    kernel.begin('1', LOAD);
    kernel.end('1');
    await settle();
    expect(kernel.comms.length).toBe(7);
  });
});

describe('a kernel that is lost', () => {
  test.each(['restarting', 'autorestarting', 'dead'] as const)(
    'by %s takes its state along and is connected anew when it is back',
    async status => {
      await ready();
      const first = kernel.comm;
      kernel.become(status);
      expect(link.state).toBeNull();
      expect(first.isDisposed).toBe(true);
      expect(first.isClosed).toBe(false); // there is nobody to be told
      kernel.become('idle');
      await settle();
      expect(kernel.comm).not.toBe(first);
      kernel.comm.answer('hello', { version: '0.1.0' });
      expect(link.status).toBe('ready');
    }
  );

  test('by the network is connected anew, since answers were lost meanwhile', async () => {
    await ready();
    const tree = link.request('get_tree', { notebook });
    const first = kernel.comm;
    kernel.connect('connecting');
    await expect(tree).rejects.toThrow('does not answer');
    expect(first.isClosed).toBe(true);
    kernel.connect('connected');
    await settle();
    expect(kernel.comm).not.toBe(first);
    first.answer('hello', { version: '0.1.0' }); // too late
    expect(link.status).toBe('waiting');
  });

  test('by unloading is quiet until the extension is loaded again', async () => {
    await ready();
    kernel.comm.end();
    expect([link.status, link.state]).toEqual(['absent', null]);
    kernel.begin('1', LOAD);
    kernel.end('1');
    await settle();
    kernel.comm.answer('hello', { version: '0.1.0' });
    expect(link.status).toBe('ready');
  });

  test('for good takes the link along', async () => {
    await ready();
    const { comm } = kernel;
    kernel.isDisposed = true;
    kernel.disposed.emit(undefined);
    expect(link.isDisposed).toBe(true);
    expect(comm.isClosed).toBe(false);
  });
});

describe('stop', () => {
  test('is a message where it arrives beside the cell', async () => {
    await ready();
    const stopping = link.stop('c1');
    expect(kernel.comm.last).toMatchObject({ type: 'stop', body: { cell_id: 'c1' } });
    kernel.comm.answer('stopped', { stopped: true });
    await stopping;
    expect(kernel.interrupted).toBe(0);
  });

  test('interrupts the kernel where there was nothing to stop', async () => {
    await ready();
    const stopping = link.stop('c1');
    kernel.comm.answer('stopped', { stopped: false });
    await stopping;
    expect(kernel.interrupted).toBe(1);
  });

  test('interrupts the kernel where no answer comes in time', async () => {
    await ready();
    const stopping = link.stop('c1');
    jest.advanceTimersByTime(STOP_LIMIT_MS);
    await stopping;
    expect(kernel.interrupted).toBe(1);
  });

  test('interrupts a kernel without subshells at once', async () => {
    kernel.supportsSubshells = false;
    await ready();
    await link.stop('c1');
    expect(kernel.interrupted).toBe(1);
    expect(asked()).not.toContain('stop');
  });

  test('interrupts a kernel that does not know us', async () => {
    await connect();
    kernel.comm.end();
    await link.stop('c1');
    expect(kernel.interrupted).toBe(1);
  });
});

describe('a link that is disposed of', () => {
  test('closes its comm and hears nothing any more', async () => {
    await ready();
    const { comm } = kernel;
    link.dispose();
    expect([link.status, comm.isClosed]).toEqual(['closed', true]);
    kernel.become('restarting');
    kernel.become('idle');
    kernel.begin('1', LOAD);
    kernel.end('1');
    await settle();
    expect(kernel.comms.length).toBe(1);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('before the subshell started opens nothing', async () => {
    kernel.subshellStarted = new Promise(() => undefined);
    await connect();
    link.dispose();
    jest.advanceTimersByTime(SUBSHELL_LIMIT_MS);
    await settle();
    expect(kernel.comm.sent).toEqual([]);
  });
});

test('two pages have a comm each', async () => {
  await ready();
  const other = new FakeKernel(); // another page has a connection of its own
  const second = new KernelLink(other.connection, { version: '0.1.0', notebook: () => notebook });
  await settle();
  expect(other.comms.length).toBe(1);
  second.dispose();
  expect(link.status).toBe('ready');
});
