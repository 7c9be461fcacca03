/** The item in the status bar; a click on it opens the quick chooser. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { IStatusBar } from '@jupyterlab/statusbar';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import type { Current } from './currentNotebook';
import { h } from '../app/dom';
import { statusPieces, statusWords } from './statusText';

const BETWEEN = ' · ';

/** Says where the current notebook stands; empty where there is nothing to say. */
export class StatusItem extends Widget {
  readonly button: HTMLButtonElement;

  constructor(
    private readonly current: Current,
    clicked: (item: StatusItem) => void
  ) {
    super();
    this.addClass('jp-StatusBar-TextItem');
    this.addClass('jp-mod-highlighted');
    this.button = h('button', {
      type: 'button',
      class: 'cc-status',
      'aria-haspopup': 'dialog',
      onclick: () => {
        clicked(this);
      }
    });
    this.node.append(this.button);
    current.changed.connect(this.follow);
    this.follow();
  }

  override dispose(): void {
    this.current.changed.disconnect(this.follow);
    super.dispose();
  }

  private readonly follow = (): void => {
    const { state } = this.current;
    const text = state ? statusPieces(state).join(BETWEEN) : '';
    if (this.button.textContent !== text) {
      this.button.textContent = text;
      this.button.title = state ? statusWords(state) : '';
    }
  };
}

/** Put the item into the status bar; it is there while a notebook with a state is in front. */
export function addStatusItem(
  { shell }: JupyterFrontEnd,
  bar: IStatusBar | null,
  current: Current,
  clicked: (item: StatusItem) => void
): void {
  if (!bar) {
    return;
  }
  const item = new StatusItem(current, clicked);
  const isActive = (): boolean =>
    current.state !== null && (shell.currentWidget ?? current.panel) === current.panel;
  const activeStateChanged = new Signal<StatusItem, void>(item);
  const tell = (): void => {
    activeStateChanged.emit();
  };
  current.changed.connect(tell);
  shell.currentChanged?.connect(tell);
  bar.registerStatusItem('cc-jupyter:status', {
    item,
    align: 'left',
    rank: 3,
    isActive,
    activeStateChanged
  });
}
