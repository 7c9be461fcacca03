/** @jest-environment jsdom */

import { CodeCell } from '@jupyterlab/cells';
import type { IDisplayData } from '@jupyterlab/nbformat';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import type { Widget } from '@lumino/widgets';

import { keepQuestions, questionIn } from '../../src/answer/openQuestion';
import { addStopButtons } from '../../src/answer/stopButton';
import { FakeKernel, settle } from '../kernel/fakeKernel';

// what JupyterLab provides when it runs, and node cannot load
jest.mock('@jupyterlab/apputils', () => ({}));
jest.mock('@jupyterlab/cells', () => ({ CodeCell: Object }));
jest.mock('@jupyterlab/notebook', () => ({}));
jest.mock('@jupyterlab/ui-components', () => ({}));
jest.mock('@lumino/widgets', () => ({
  Widget: class Widget {
    readonly node: HTMLElement;
    constructor(options: { node: HTMLElement }) {
      this.node = options.node;
    }
    dispose(): void {
      this.node.remove();
    }
  }
}));

const PROMPT = 'Run save? y/s/f/e/n/q: ';
const PRINTED = output('printed');

function output(text: string, metadata = {}): IDisplayData {
  return { output_type: 'display_data', data: { 'text/plain': text }, metadata };
}

function question(prompt = PROMPT, text = 'save(path="a.txt")'): IDisplayData {
  return output(text, { cc_jupyter_question: { display_id: 'trace', prompt } });
}

/** A cell with outputs, in a notebook whose kernel runs it. */
class FakeNotebook {
  readonly kernel = new FakeKernel();
  readonly replies: unknown[] = [];
  readonly node = document.createElement('div');
  saves = 0;
  readOnly = false;
  private outputs: IDisplayData[];
  private readonly changed = new Signal<this, undefined>(this);
  private readonly iopubMessage = new Signal<this, KernelMessage.IMessage>(this);
  private readonly disposed = new Signal<this, undefined>(this);

  /** Show the notebook as a page finds it that has just been loaded. */
  constructor(outputs: IDisplayData[], status: Kernel.Status = 'busy') {
    this.outputs = outputs;
    this.kernel.status = status;
    Object.assign(this.kernel, {
      sendInputReply: (content: unknown) => this.replies.push(content)
    });
  }

  /** Load the page, which has seen this cell begin to run if `hasSeen`. */
  async open({ hasSeen = false } = {}): Promise<this> {
    const tracker = {
      forEach: (visit: (panel: NotebookPanel) => void) => {
        visit(this.panel);
      },
      widgetAdded: new Signal<this, NotebookPanel>(this)
    } as unknown as INotebookTracker;
    addStopButtons(tracker);
    if (hasSeen) {
      this.send('execute_input', { code: 'print(1)' });
    }
    keepQuestions(tracker);
    await settle();
    return this;
  }

  /** Change the outputs, as the kernel of a cell does that this page has started. */
  async show(...outputs: IDisplayData[]): Promise<void> {
    this.outputs = outputs;
    this.changed.emit(undefined);
    await settle();
  }

  /** Send an update of an output. */
  async update(text: string, id = 'trace', metadata = {}): Promise<void> {
    const content = { data: { 'text/plain': text }, metadata, transient: { display_id: id } };
    this.send('update_display_data', content);
    await settle();
  }

  async setStatus(status: Kernel.Status): Promise<void> {
    this.kernel.setStatus(status);
    await settle();
  }

  get texts(): unknown[] {
    return this.outputs.map(({ data }) => data['text/plain']);
  }

  get field(): HTMLInputElement | null {
    return this.node.querySelector('input');
  }

  type(value: string, more: KeyboardEventInit = {}): void {
    if (!this.field) {
      throw new Error('there is no line to type in');
    }
    this.field.value = value;
    this.field.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', ...more }));
  }

  private send(type: string, content: object): void {
    const message = { header: { msg_type: type }, parent_header: { msg_id: 'run' }, content };
    this.iopubMessage.emit(message as unknown as KernelMessage.IMessage);
  }

  private readonly cell = Object.assign(new (CodeCell as unknown as new () => CodeCell)(), {
    ready: Promise.resolve(),
    disposed: this.disposed,
    isDisposed: false,
    outputArea: {},
    layout: {
      addWidget: (widget: Widget) => {
        this.node.append(widget.node);
      }
    },
    model: {
      id: 'cell',
      type: 'code',
      sharedModel: { getSource: () => 'print(1)' },
      outputs: {
        changed: this.changed,
        get: (index: number) => ({ toJSON: () => this.outputs[index] }),
        set: (index: number, value: IDisplayData) => {
          this.outputs[index] = value;
          this.changed.emit(undefined);
        },
        length: 0
      }
    }
  });

  private readonly panel = this.newPanel();

  private newPanel(): NotebookPanel {
    const { kernel, iopubMessage, cell } = this;
    const count = (): number => this.outputs.length;
    Object.defineProperty(cell.model.outputs, 'length', { get: count });
    const isReadOnly = (): boolean => this.readOnly;
    return {
      disposed: this.disposed,
      content: { widgets: [cell], model: { cells: { changed: new Signal(this) } } },
      context: {
        ready: Promise.resolve(),
        path: 'a.ipynb',
        isDisposed: false,
        model: {
          get readOnly() {
            return isReadOnly();
          }
        },
        save: () => {
          this.saves += 1;
          return Promise.reject(new Error('the disk is full'));
        }
      },
      sessionContext: {
        iopubMessage,
        statusChanged: kernel.statusChanged,
        kernelChanged: new Signal(this),
        session: { kernel: kernel.connection }
      }
    } as unknown as NotebookPanel;
  }
}

test.each([
  [{ cc_jupyter_question: { display_id: 'a', prompt: 'b' } }, { display_id: 'a', prompt: 'b' }],
  [
    { cc_jupyter_question: { display_id: 'a', prompt: 'b', more: 1 } },
    { display_id: 'a', prompt: 'b' }
  ],
  [{ cc_jupyter_question: { display_id: 'a' } }, null],
  [{ cc_jupyter_question: { display_id: 7, prompt: 'b' } }, null],
  [{ cc_jupyter_question: null }, null],
  [{}, null],
  [null, null],
  [undefined, null]
])('the question in %j is read as %j', (metadata, expected) => {
  expect(questionIn(metadata)).toEqual(expected);
});

test('a page that is loaded while the kernel waits has a line to type in', async () => {
  const notebook = await new FakeNotebook([PRINTED, question()]).open();
  const label = notebook.node.querySelector('label');
  expect(label?.textContent).toBe(PROMPT);
  expect(label?.htmlFor).toBe(notebook.field?.id);
  expect(notebook.saves).toBe(0);
});

test.each<[string, IDisplayData[], Kernel.Status, boolean]>([
  ['there is no question', [PRINTED], 'busy', false],
  ['the kernel waits for nothing', [question()], 'idle', false],
  ['JupyterLab has its own line', [question()], 'busy', true]
])('there is no line if %s', async (_, outputs, status, hasSeen) => {
  const notebook = await new FakeNotebook(outputs, status).open({ hasSeen });
  expect(notebook.field).toBeNull();
});

test('Enter sends the line once, and no other key does', async () => {
  const notebook = await new FakeNotebook([question()]).open();
  notebook.type('y', { key: 'y' });
  notebook.type('y', { isComposing: true });
  expect(notebook.replies).toEqual([]);
  notebook.type('y');
  expect(notebook.replies).toEqual([{ status: 'ok', value: 'y' }]);
  expect(notebook.field?.disabled).toBe(true);
});

test('an empty line and a typed blank are sent as they are: the kernel decides', async () => {
  const notebook = await new FakeNotebook([question()]).open();
  notebook.type('');
  expect(notebook.replies).toEqual([{ status: 'ok', value: '' }]);
});

test('keys in the line do not reach the shortcuts of JupyterLab', async () => {
  const notebook = await new FakeNotebook([question()]).open();
  const reached = jest.fn();
  notebook.node.addEventListener('keydown', reached);
  notebook.field?.dispatchEvent(new KeyboardEvent('keydown', { key: 'd', bubbles: true }));
  expect(reached).not.toHaveBeenCalled();
  expect(notebook.node.querySelector('[data-lm-suppress-shortcuts]')).not.toBeNull();
});

test('the output follows the kernel, and the line goes with its question', async () => {
  const notebook = await new FakeNotebook([PRINTED, question()]).open();
  await notebook.update('of another output', 'other');
  expect(notebook.field).not.toBeNull();
  await notebook.update('1 ✓ save(path="a.txt")');
  expect(notebook.texts).toEqual(['printed', '1 ✓ save(path="a.txt")']);
  expect(notebook.field).toBeNull();
});

test('the next question, with an equal prompt, has a line that is empty and open', async () => {
  const notebook = await new FakeNotebook([question()]).open();
  notebook.type('y');
  const next = question(PROMPT, 'save(path="b.txt")');
  await notebook.update('save(path="b.txt")', 'trace', next.metadata);
  expect(notebook.texts).toEqual(['save(path="b.txt")']);
  expect(notebook.node.querySelectorAll('input')).toHaveLength(1);
  expect(notebook.field?.disabled).toBe(false);
  expect(notebook.field?.value).toBe('');
});

test.each<Kernel.Status>(['idle', 'restarting', 'dead'])(
  'the line goes when the kernel is %s',
  async status => {
    const notebook = await new FakeNotebook([question()]).open();
    await notebook.setStatus(status);
    expect(notebook.field).toBeNull();
  }
);

test('the line comes when a kernel connects that waits', async () => {
  const notebook = await new FakeNotebook([question()], 'idle').open();
  await notebook.setStatus('busy');
  expect(notebook.field).not.toBeNull();
});

test('a notebook is saved once for each question, even if that fails', async () => {
  const notebook = await new FakeNotebook([PRINTED]).open({ hasSeen: true });
  expect(notebook.saves).toBe(0);
  await notebook.show(PRINTED, question());
  await notebook.show(PRINTED, question(), PRINTED);
  expect(notebook.saves).toBe(1);
  await notebook.show(PRINTED, question('Reason for the model (Enter: none): '));
  expect(notebook.saves).toBe(2);
  expect(notebook.field).toBeNull();
});

test('a notebook that is read-only is not saved', async () => {
  const notebook = await new FakeNotebook([PRINTED]).open({ hasSeen: true });
  notebook.readOnly = true;
  await notebook.show(question());
  expect(notebook.saves).toBe(0);
});
