/** The notebook that is current and what its kernel says: what status bar and panel follow. */

import { InputDialog } from '@jupyterlab/apputils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { type ISignal, Signal } from '@lumino/signaling';

import type { LinkStatus } from '../kernel/kernelLink';
import { type INotebookLink, linkOf } from '../kernel/links';
import { goToCell, insertBelow, runFirst } from '../app/notebookCells';
import type { IPanelHost } from '../panel/host';
import type { IState } from '../kernel/protocol';

export type { INotebookLink } from '../kernel/links';

/** Why there is nothing to show, or that there is. */
export type Standing =
  'no notebook' | 'no kernel' | 'waiting' | 'not loaded' | 'another version' | 'linked';

export class Current {
  private readonly news = new Signal<this, null>(this);
  private notebook: NotebookPanel | null = null;
  private link: INotebookLink | null = null;
  private kept: IPanelHost | null = null;

  constructor(private readonly tracker: INotebookTracker) {
    tracker.currentChanged.connect(this.follow);
    window.addEventListener('focus', this.lookAgain);
    this.follow();
  }

  /** Another notebook, another kernel, or another state of the same ones. */
  get changed(): ISignal<this, null> {
    return this.news;
  }

  /** The notebook itself; `null`: none is open. */
  get panel(): NotebookPanel | null {
    return this.notebook;
  }

  /** What it is called. */
  get name(): string {
    return this.notebook?.title.label ?? '';
  }

  get state(): IState | null {
    return this.link?.state ?? null;
  }

  get standing(): Standing {
    if (!this.notebook) {
      return 'no notebook';
    }
    return this.state ? 'linked' : STANDINGS[this.link?.status ?? 'closed'];
  }

  /** What sections may ask and do here; the same as long as notebook and kernel answer. */
  get host(): IPanelHost | null {
    return this.standing === 'linked' ? this.kept : null;
  }

  /** Put the cell that loads the extension before all others and run it. */
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
      this.kept = notebook && this.link && hostOf(notebook, this.link);
      this.link?.stateChanged.connect(this.tell);
      this.link?.statusChanged.connect(this.tell);
      notebook?.sessionContext.kernelChanged.connect(this.tell);
      notebook?.title.changed.connect(this.tell);
      this.lookAgain();
    }
    this.tell();
  };

  /** Another page or view may have chosen a model or a version; when a cell ends it is asked anyway. */
  private readonly lookAgain = (): void => {
    if (this.notebook?.sessionContext.session?.kernel?.status === 'idle') {
      void this.link?.refresh();
    }
  };

  private leave(): void {
    this.link?.stateChanged.disconnect(this.tell);
    this.link?.statusChanged.disconnect(this.tell);
    this.notebook?.sessionContext.kernelChanged.disconnect(this.tell);
    this.notebook?.title.changed.disconnect(this.tell);
  }

  private readonly tell = (): void => {
    this.news.emit(null);
  };
}

/** What changes something, of what is asked here. */
const WISHES: ReadonlySet<string> = new Set(['set_model', 'set_thread', 'fork']);

const STANDINGS: Readonly<Record<LinkStatus, Standing>> = {
  waiting: 'waiting',
  ready: 'waiting', // for its first state
  absent: 'not loaded',
  incompatible: 'another version',
  closed: 'no kernel'
};

function hostOf(panel: NotebookPanel, link: INotebookLink): IPanelHost {
  return {
    get notebook() {
      return panel.context.path;
    },
    ask: async (type, body) => {
      const reply = await link.request(type, body);
      if (WISHES.has(type)) {
        await link.refresh();
      }
      return reply;
    },
    goTo: cellId => goToCell(panel, cellId),
    insert: source => {
      insertBelow(panel, source);
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
