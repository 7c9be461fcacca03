/** The current notebook and the state of its kernel, which the status bar and the panel follow. */

import { InputDialog } from '@jupyterlab/apputils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { type ISignal, Signal } from '@lumino/signaling';

import { compareIn } from '../answer/cellActions';
import { goToCell, insertBelow, runFirst } from '../app/notebooks';
import type { LinkStatus } from '../kernel/kernelLink';
import { kernelOf, linkOf, type NotebookLink } from '../kernel/notebookLink';
import type { IState } from '../kernel/protocol';
import type { IPanelHost } from '../panel/host';
import { comparison } from '../prompt/sourceEdits';

/** `linked`, or the reason why there is nothing to show. */
export type NotebookStatus =
  'no notebook' | 'no kernel' | 'waiting' | 'not loaded' | 'another version' | 'linked';

export class CurrentNotebook {
  private readonly changes = new Signal<this, null>(this);
  private notebook: NotebookPanel | null = null;
  private link: NotebookLink | null = null;
  private notebookHost: IPanelHost | null = null;

  constructor(private readonly tracker: INotebookTracker) {
    tracker.currentChanged.connect(this.follow);
    window.addEventListener('focus', this.refreshIfIdle);
    this.follow();
  }

  /** Emitted when the notebook, its kernel, or their state has changed. */
  get changed(): ISignal<this, null> {
    return this.changes;
  }

  /** The notebook itself; `null` if none is open. */
  get panel(): NotebookPanel | null {
    return this.notebook;
  }

  get name(): string {
    return this.notebook?.title.label ?? '';
  }

  get state(): IState | null {
    return this.link?.state ?? null;
  }

  get status(): NotebookStatus {
    if (!this.notebook) {
      return 'no notebook';
    }
    return this.state ? 'linked' : STATUS_OF_LINK[this.link?.status ?? 'closed'];
  }

  /** The requests and actions for panel sections; the same object while the kernel answers. */
  get host(): IPanelHost | null {
    return this.status === 'linked' ? this.notebookHost : null;
  }

  /** Insert a cell that loads the extension above all others, and run it. */
  async loadExtension(): Promise<void> {
    if (this.notebook) {
      await runFirst(this.notebook, '%load_ext cc_jupyter');
    }
  }

  private readonly follow = (): void => {
    const notebook = this.tracker.currentWidget;
    if (notebook !== this.notebook) {
      this.leave();
      this.notebook = notebook;
      this.link = notebook && linkOf(notebook);
      this.notebookHost = notebook && this.link && createHost(notebook, this.link);
      this.link?.stateChanged.connect(this.emit);
      this.link?.statusChanged.connect(this.emit);
      notebook?.sessionContext.kernelChanged.connect(this.emit);
      notebook?.title.changed.connect(this.emit);
      this.refreshIfIdle();
    }
    this.emit();
  };

  /** Another page may have chosen a model or version; a busy kernel is asked when its cell ends. */
  private readonly refreshIfIdle = (): void => {
    if (this.notebook && kernelOf(this.notebook)?.status === 'idle') {
      void this.link?.refresh();
    }
  };

  private leave(): void {
    this.link?.stateChanged.disconnect(this.emit);
    this.link?.statusChanged.disconnect(this.emit);
    this.notebook?.sessionContext.kernelChanged.disconnect(this.emit);
    this.notebook?.title.changed.disconnect(this.emit);
  }

  private readonly emit = (): void => {
    this.changes.emit(null);
  };
}

/** The requests of the panel that change the state. */
const ACTIONS: ReadonlySet<string> = new Set(['set_model', 'set_thread', 'fork']);

const STATUS_OF_LINK: Readonly<Record<LinkStatus, NotebookStatus>> = {
  waiting: 'waiting',
  ready: 'waiting', // for its first state
  absent: 'not loaded',
  incompatible: 'another version',
  closed: 'no kernel'
};

function createHost(panel: NotebookPanel, link: NotebookLink): IPanelHost {
  return {
    get notebook() {
      return panel.context.path;
    },
    request: async (type, body) => {
      const reply = await link.request(type, body);
      if (ACTIONS.has(type)) {
        await link.refresh();
      }
      return reply;
    },
    goTo: cellId => goToCell(panel, cellId),
    insert: source => {
      insertBelow(panel, source);
    },
    compare: models => {
      const { activeCell } = panel.content;
      if (activeCell && compareIn(activeCell, models)) {
        panel.content.activate();
        return 'The active cell now asks';
      }
      insertBelow(panel, comparison(models));
      panel.content.mode = 'edit';
      panel.content.activeCell?.editor?.setCursorPosition({ line: 1, column: 0 });
      return 'A new cell asks';
    },
    askName: async (title, text) => {
      const { button, value } = await InputDialog.getText({
        title,
        text,
        label: 'Name of the new conversation',
        okLabel: 'Fork'
      });
      const name = value?.trim() ?? '';
      return button.accept && name !== '' ? name : null;
    }
  };
}
