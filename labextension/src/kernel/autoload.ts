/** Loads the extension in each new kernel, if the user has turned that setting on. */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';

import { eachNotebook } from '../app/notebooks';
import { settings } from '../app/settings';
import { isGone } from './executions';
import { kernelOf, linkOf, type NotebookLink } from './notebookLink';

/** Load the extension in the kernels of all notebooks. */
export function addAutoload(tracker: INotebookTracker): void {
  eachNotebook(tracker, panel => new Autoload(panel, linkOf(panel)));
}

class Autoload {
  /** Once for each start: a user may unload the extension, or not have it installed. */
  private isNew = true;
  private isPython = false;

  constructor(
    private readonly panel: NotebookPanel,
    private readonly link: NotebookLink
  ) {
    const load = (): void => {
      this.loadIfAbsent();
    };
    panel.sessionContext.kernelChanged.connect(() => {
      this.isNew = true;
      void this.learnLanguage();
    });
    panel.sessionContext.statusChanged.connect((_, status) => {
      this.follow(status);
    });
    link.statusChanged.connect(load);
    panel.disposed.connect(settings.onChange(load));
    void this.learnLanguage();
  }

  /** Ask once for each kernel: after a restart there is no time to ask. */
  private async learnLanguage(): Promise<void> {
    const kernel = kernelOf(this.panel);
    const spec = await kernel?.spec;
    if (kernel === kernelOf(this.panel)) {
      this.isPython = spec?.language === 'python';
      this.loadIfAbsent();
    }
  }

  private follow(status: Kernel.Status): void {
    this.isNew ||= isGone(status);
    if (status === 'restarting') {
      // JupyterLab is just dropping what is queued; queued after that, it runs before all cells
      void Promise.resolve().then(() => {
        this.load();
      });
    }
  }

  private loadIfAbsent(): void {
    if (this.link.status === 'ready') {
      this.isNew = false;
    } else if (this.link.status === 'absent') {
      this.load();
    }
  }

  private load(): void {
    if (this.isNew && this.isPython && settings.loadExtension) {
      this.isNew = false;
      this.link.loadExtension().catch((error: unknown) => {
        console.warn('cc_jupyter:', error);
      });
    }
  }
}
