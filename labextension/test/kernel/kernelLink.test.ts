import { SUBSHELL_LIMIT_MS, TARGET } from '../../src/kernel/channel';
import { LinkError } from '../../src/kernel/envelope';
import { KernelLink, RETRY_MS, STOP_LIMIT_MS } from '../../src/kernel/kernelLink';
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

/** Connect, and reply to the hello and the first request. */
async function ready(): Promise<void> {
  await connect();
  kernel.comm.reply('hello', { version: '0.1.0' });
  await settle();
  kernel.comm.reply('state', STATE);
  await settle();
}

/** Return the types of the requests on the last comm. */
function requested(): string[] {
  return kernel.comm.sent.map(({ type }) => type);
}

describe('the handshake', () => {
  test('opens the comm with a hello and is ready when the kernel has replied', async () => {
    await connect();
    expect(kernel.comm.target).toBe(TARGET);
    expect(kernel.comm.isOpen).toBe(true);
    expect(kernel.comm.sent).toEqual([
      { v: 1, type: 'hello', id: expect.any(String) as string, body: { version: '0.1.0' } }
    ]);
    expect(link.status).toBe('waiting');
    kernel.comm.reply('hello', { version: '9.9.9' });
    expect(link.status).toBe('ready');
  });

  test('is followed by a request for the state', async () => {
    await ready();
    expect(kernel.comm.last.body).toEqual({ notebook: 'a.ipynb' });
    expect(link.state).toEqual(STATE);
  });

  test('waits for the subshell, since earlier messages wait for a busy cell', async () => {
    let start = (): void => undefined;
    kernel.subshellStarted = new Promise(resolve => {
      start = resolve;
    });
    await connect();
    expect(kernel.comm.sent).toEqual([]);
    start();
    await settle();
    expect(requested()).toEqual(['hello']);
  });

  test('does not wait for a subshell that never starts', async () => {
    kernel.subshellStarted = new Promise(() => undefined);
    await connect();
    jest.advanceTimersByTime(SUBSHELL_LIMIT_MS);
    await settle();
    expect(requested()).toEqual(['hello']);
  });

  test('waits for a kernel that is starting', async () => {
    kernel.status = 'starting';
    await connect();
    expect(kernel.comms).toEqual([]);
    kernel.setStatus('idle');
    await settle();
    expect(requested()).toEqual(['hello']);
  });

  test('ends with one warning if the kernel speaks another version', async () => {
    const warned = jest.spyOn(console, 'warn').mockImplementation(() => undefined);
    await connect();
    kernel.comm.reply('hello', { version: '3.0.0' }, 2);
    kernel.comm.reply('hello', { version: '3.0.0' }, 2);
    await settle();
    kernel.begin('1', '%%cmd\nhello');
    kernel.end('1');
    await settle();
    expect(link.status).toBe('incompatible');
    expect(kernel.comm.isClosed).toBe(true);
    expect(requested()).toEqual(['hello']);
    expect(warned).toHaveBeenCalledTimes(1);
    expect(warned.mock.calls[0]?.[0]).toContain('"3.0.0"');
    await expect(link.request('get_tree', { notebook })).rejects.toThrow(LinkError);
    warned.mockRestore();
  });
});

describe('a kernel without the extension', () => {
  test('closes the comm and gets no more requests', async () => {
    await connect();
    kernel.comm.end();
    kernel.begin('1', 'print(1)');
    kernel.end('1');
    kernel.setStatus('busy');
    kernel.setStatus('idle');
    await settle();
    expect(link.status).toBe('absent');
    expect(kernel.comms.length).toBe(1);
  });

  test.each([LOAD, 'import x\n%reload_ext cc_jupyter', '  %load_ext  cc_jupyter'])(
    'gets another hello when a cell with %j has ended',
    async code => {
      await connect();
      kernel.comm.end();
      kernel.begin('1', code);
      expect(kernel.comms.length).toBe(1);
      kernel.end('1');
      await settle();
      expect(kernel.comms.length).toBe(2);
      kernel.comm.reply('hello', { version: '0.1.0' });
      expect(link.status).toBe('ready');
    }
  );

  test('gets another hello if it loaded the extension while the comm was opened', async () => {
    await connect();
    kernel.begin('1', LOAD);
    kernel.end('1');
    await settle();
    kernel.comm.end();
    jest.advanceTimersByTime(RETRY_MS);
    await settle();
    expect(kernel.comms.length).toBe(2);
    kernel.comm.end();
    expect(link.status).toBe('absent');
  });

  test('gets no hello for cells that only mention the extension', async () => {
    await connect();
    kernel.comm.end();
    for (const code of ['%load_ext autoreload', '# %load_ext cc_jupyter', 'import cc_jupyter']) {
      kernel.begin('1', code);
      kernel.end('1');
    }
    await settle();
    expect(kernel.comms.length).toBe(1);
  });

  test('gets another hello when it has restarted', async () => {
    await connect();
    kernel.comm.end();
    kernel.setStatus('restarting');
    kernel.setStatus('starting');
    kernel.setStatus('idle');
    await settle();
    expect(kernel.comms.length).toBe(2);
  });

  test('may be one whose comms another connection handles', async () => {
    kernel.handlesComms = false;
    await connect();
    expect(link.status).toBe('absent');
  });
});

describe('a request', () => {
  test('gets the reply with its id, in any order', async () => {
    await ready();
    const tree = link.request('get_tree', { notebook });
    const treeId = kernel.comm.last.id;
    const usage = link.request('get_usage', { notebook });
    const usageId = kernel.comm.last.id;
    expect(treeId).not.toBe(usageId);
    kernel.comm.receive({ v: 1, type: 'usage', id: usageId, body: { unknown: 1 } });
    kernel.comm.receive({ v: 1, type: 'tree', id: treeId, body: { current: 'x' } });
    expect(await tree).toEqual({ current: 'x' });
    expect(await usage).toEqual({ unknown: 1 });
  });

  test('is rejected with the message and the hint of the kernel', async () => {
    await ready();
    const request = link.request('set_model', { model: 'x' });
    kernel.comm.reply('error', { message: 'unknown model', hint: 'did you mean y?' });
    await expect(request).rejects.toMatchObject({
      message: 'unknown model',
      hint: 'did you mean y?'
    });
  });

  test('ignores unknown messages and waits for its reply', async () => {
    await ready();
    const tree = link.request('get_tree', { notebook });
    const { id } = kernel.comm.last;
    for (const odd of [null, 7, 'tree', [], {}, { v: 1, type: 'tree', id, body: null }]) {
      kernel.comm.receive(odd);
    }
    kernel.comm.receive({ v: 2, type: 'tree', id, body: { current: 'newer' } });
    kernel.comm.receive({ v: 1, type: 'what_comes_later', id, body: {} });
    kernel.comm.receive({ v: 1, type: 'tree', id: 'nobody', body: {} });
    kernel.comm.receive({ v: 1, type: 'tree', id, body: { current: 'x' }, later: true });
    expect(await tree).toEqual({ current: 'x' });
  });

  test('is rejected when the kernel is lost before it replies', async () => {
    await ready();
    const tree = link.request('get_tree', { notebook });
    kernel.setStatus('restarting');
    await expect(tree).rejects.toThrow('does not answer');
  });

  test('is rejected at once without a kernel that answers', async () => {
    await connect();
    await expect(link.request('get_tree', { notebook })).rejects.toThrow('does not answer');
    expect(requested()).toEqual(['hello']);
  });
});

describe('the state', () => {
  test('is requested when a cell has ended, and not after other requests', async () => {
    await ready();
    const states: (IState | null)[] = [];
    link.stateChanged.connect((_, each) => states.push(each));
    kernel.handled('comm-1');
    await settle();
    expect(requested()).toEqual(['hello', 'get_state']);
    kernel.begin('1', 'x = 1');
    kernel.end('1');
    await settle();
    expect(requested()).toEqual(['hello', 'get_state', 'get_state']);
    kernel.comm.reply('state', { ...STATE, thread: 'aside' });
    await settle();
    expect(states.map(each => each?.thread)).toEqual(['aside']);
  });

  test('follows the progress that the kernel sends, without any request', async () => {
    await ready();
    const states: (IState | null)[] = [];
    link.stateChanged.connect((_, each) => states.push(each));
    kernel.begin('1', '%%cmd -m x\nhello');
    const { running } = progress.body;
    kernel.listener.receive(progress);
    kernel.listener.receive({ ...progress, body: { running: { ...running, tokens: '~300' } } });
    expect(link.state).toEqual({ ...STATE, running: { ...running, tokens: '~300' } });
    kernel.listener.receive({ ...progress, body: { running: null } });
    expect(states.map(each => each?.running?.tokens)).toEqual(['~211', '~300', undefined]);
    jest.advanceTimersByTime(60_000);
    await settle();
    expect(requested()).toEqual(['hello', 'get_state']);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('is requested once more when a cell ends during a request', async () => {
    await ready();
    kernel.end('1');
    await settle();
    kernel.end('2');
    await settle();
    expect(requested()).toEqual(['hello', 'get_state', 'get_state']);
    kernel.comm.reply('state', STATE);
    await settle();
    expect(requested().length).toBe(4);
  });

  test('stays the same when the kernel refuses it once, and is requested again', async () => {
    await ready();
    kernel.end('1');
    await settle();
    kernel.comm.reply('error', { message: 'no', hint: null });
    await settle();
    expect(link.state).toEqual(STATE);
    kernel.end('2');
    await settle();
    expect(requested().length).toBe(4);
  });

  test('is requested under the current name of the notebook', async () => {
    await ready();
    notebook = 'renamed.ipynb';
    kernel.end('1');
    await settle();
    expect(kernel.comm.last.body).toEqual({ notebook: 'renamed.ipynb' });
  });
});

describe('the comm for progress', () => {
  test('is a second one of the same target, opened after the hello, on which nothing is sent', async () => {
    await connect();
    expect(kernel.made.length).toBe(1);
    kernel.comm.reply('hello', { version: '0.1.0' });
    await settle();
    expect(kernel.made.length).toBe(2);
    expect(kernel.listener.target).toBe(TARGET);
    kernel.begin('1', '%%cmd\nhello');
    kernel.end('1');
    void link.stop('c1');
    await settle();
    expect(kernel.listener.sent).toEqual([{ v: 1, type: 'listen', id: 'listen-0', body: {} }]);
  });

  test('waits for the subshell, else it would open after the busy cell', async () => {
    await connect();
    let start = (): void => undefined;
    kernel.subshellStarted = new Promise(resolve => {
      start = resolve;
    });
    kernel.comm.reply('hello', { version: '0.1.0' });
    await settle();
    expect(kernel.made.at(-1)?.isOpen).toBe(false);
    start();
    await settle();
    expect(kernel.listener.isOpen).toBe(true);
  });

  test('also works without subshells, since nothing is sent on it', async () => {
    kernel.supportsSubshells = false;
    await ready();
    kernel.listener.receive(progress);
    expect(link.state?.running?.tokens).toBe('~211');
  });

  test('ignores progress before the first state, and unknown messages', async () => {
    await connect();
    kernel.comm.reply('hello', { version: '0.1.0' });
    await settle();
    kernel.listener.receive(progress);
    expect(link.state).toBeNull();
    kernel.comm.reply('state', STATE);
    await settle();
    for (const odd of [null, 7, {}, { ...progress, v: 2 }, { ...progress, type: 'comes_later' }]) {
      kernel.listener.receive(odd);
    }
    expect(link.state).toEqual(STATE);
  });

  test('may be closed by the kernel: requests still get replies', async () => {
    await ready();
    kernel.listener.end();
    kernel.listener.dispose();
    kernel.end('1');
    await settle();
    kernel.comm.reply('state', { ...STATE, thread: 'aside' });
    await settle();
    expect([link.status, link.state?.thread]).toEqual(['ready', 'aside']);
  });

  test('closes with the link, each comm once', async () => {
    await ready();
    const { comm, listener } = kernel;
    link.dispose();
    expect([comm.isClosed, listener.isClosed]).toEqual([true, true]);
    expect([comm.disposals, listener.disposals]).toEqual([1, 1]);
  });

  test('closes with a kernel that restarts, and another one opens', async () => {
    await ready();
    const first = kernel.listener;
    kernel.setStatus('restarting');
    expect([first.isDisposed, first.isClosed]).toEqual([true, false]);
    kernel.setStatus('idle');
    await settle();
    kernel.comm.reply('hello', { version: '0.1.0' });
    await settle();
    kernel.comm.reply('state', STATE);
    await settle();
    expect(kernel.listener).not.toBe(first);
    kernel.listener.receive(progress);
    expect(link.state?.running?.tokens).toBe('~211');
  });

  test('stays until its subshell has started, else the next comm would lose it', async () => {
    await connect();
    let start = (): void => undefined;
    kernel.subshellStarted = new Promise(resolve => {
      start = resolve;
    });
    kernel.comm.reply('hello', { version: '0.1.0' });
    await settle();
    const listener = kernel.made.at(-1);
    link.dispose();
    await settle();
    expect(listener?.disposals).toBe(0);
    start();
    await settle();
    expect([listener?.disposals, listener?.isOpen]).toEqual([1, false]);
  });

  test('is not opened after the link is disposed', async () => {
    await connect();
    kernel.subshellStarted = new Promise(() => undefined);
    kernel.comm.reply('hello', { version: '0.1.0' });
    link.dispose();
    jest.advanceTimersByTime(SUBSHELL_LIMIT_MS);
    await settle();
    expect(kernel.made.map(({ isOpen }) => isOpen)).toEqual([true, false]);
  });
});

describe('a lost subshell', () => {
  test('is replaced, and its requests are rejected', async () => {
    await ready();
    const tree = link.request('get_tree', { notebook });
    kernel.comm.loseSubshell();
    await expect(tree).rejects.toThrow('does not answer');
    kernel.setStatus('busy');
    kernel.setStatus('idle');
    expect(kernel.comms.length).toBe(1);
    jest.advanceTimersByTime(RETRY_MS);
    await settle();
    expect(kernel.comms.length).toBe(2);
    kernel.comm.reply('hello', { version: '0.1.0' });
    expect(link.status).toBe('ready');
  });

  test('is not replaced forever', async () => {
    await connect();
    for (let time = 0; time < 20 && link.status === 'waiting'; time += 1) {
      kernel.comm.loseSubshell();
      jest.advanceTimersByTime(RETRY_MS);
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

describe('a lost kernel', () => {
  test.each(['restarting', 'autorestarting', 'dead'] as const)(
    'loses its state by %s and is connected again afterwards',
    async status => {
      await ready();
      const first = kernel.comm;
      kernel.setStatus(status);
      expect(link.state).toBeNull();
      expect(first.isDisposed).toBe(true);
      expect(first.isClosed).toBe(false); // a lost kernel gets no message
      kernel.setStatus('idle');
      await settle();
      expect(kernel.comm).not.toBe(first);
      kernel.comm.reply('hello', { version: '0.1.0' });
      expect(link.status).toBe('ready');
    }
  );

  test('is connected again after a network failure, since replies were lost', async () => {
    await ready();
    const tree = link.request('get_tree', { notebook });
    const first = kernel.comm;
    kernel.setConnection('connecting');
    await expect(tree).rejects.toThrow('does not answer');
    expect(first.isClosed).toBe(true);
    kernel.setConnection('connected');
    await settle();
    expect(kernel.comm).not.toBe(first);
    first.reply('hello', { version: '0.1.0' }); // too late
    expect(link.status).toBe('waiting');
  });

  test('gets no requests after an unload until the extension is loaded again', async () => {
    await ready();
    kernel.comm.end();
    expect([link.status, link.state]).toEqual(['absent', null]);
    kernel.begin('1', LOAD);
    kernel.end('1');
    await settle();
    kernel.comm.reply('hello', { version: '0.1.0' });
    expect(link.status).toBe('ready');
  });

  test('disposes the link when it is gone for good', async () => {
    await ready();
    const { comm } = kernel;
    kernel.isDisposed = true;
    kernel.disposed.emit(undefined);
    expect(link.isDisposed).toBe(true);
    expect(comm.isClosed).toBe(false);
  });
});

describe('stop', () => {
  test('is a message if one arrives while the cell runs', async () => {
    await ready();
    const stopping = link.stop('c1');
    expect(kernel.comm.last).toMatchObject({ type: 'stop', body: { cell_id: 'c1' } });
    kernel.comm.reply('stopped', { stopped: true });
    await stopping;
    expect(kernel.interrupted).toBe(0);
  });

  test('interrupts the kernel if there was no request to stop', async () => {
    await ready();
    const stopping = link.stop('c1');
    kernel.comm.reply('stopped', { stopped: false });
    await stopping;
    expect(kernel.interrupted).toBe(1);
  });

  test('interrupts the kernel if no reply comes in time', async () => {
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
    expect(requested()).not.toContain('stop');
  });

  test('interrupts a kernel without the extension', async () => {
    await connect();
    kernel.comm.end();
    await link.stop('c1');
    expect(kernel.interrupted).toBe(1);
  });
});

describe('a disposed link', () => {
  test('closes its comm and ignores the kernel', async () => {
    await ready();
    const { comm } = kernel;
    link.dispose();
    expect([link.status, comm.isClosed]).toEqual(['closed', true]);
    kernel.setStatus('restarting');
    kernel.setStatus('idle');
    kernel.begin('1', LOAD);
    kernel.end('1');
    await settle();
    expect(kernel.comms.length).toBe(1);
    expect(jest.getTimerCount()).toBe(0);
  });

  test('opens nothing if the subshell has not started', async () => {
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
