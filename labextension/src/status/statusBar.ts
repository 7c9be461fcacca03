/** The status bar item; a click on it opens the model chooser. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { IStatusBar } from '@jupyterlab/statusbar';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import { h } from '../app/dom';
import type { CurrentNotebook } from './currentNotebook';
import { statusParts, statusTooltip } from './statusText';

/** Shows the state of the current notebook; empty if there is none. */
export class StatusItem extends Widget {
  readonly button: HTMLButtonElement;

  constructor(
    private readonly current: CurrentNotebook,
    onClick: (item: StatusItem) => void
  ) {
    super();
    this.addClass('jp-StatusBar-TextItem');
    this.addClass('jp-mod-highlighted');
    this.button = h('button', {
      type: 'button',
      class: 'cc-status',
      'aria-haspopup': 'dialog',
      onclick: () => {
        onClick(this);
      }
    });
    this.node.append(this.button);
    current.changed.connect(this.refresh);
    this.refresh();
  }

  override dispose(): void {
    this.current.changed.disconnect(this.refresh);
    super.dispose();
  }

  private readonly refresh = (): void => {
    const { state } = this.current;
    const text = state ? statusParts(state).join(' · ') : '';
    if (this.button.textContent !== text) {
      this.button.textContent = text;
      this.button.title = state ? statusTooltip(state) : '';
    }
  };
}

/** Add the item to the status bar, shown while a notebook with a state is in front. */
export function addStatusItem(
  { shell }: JupyterFrontEnd,
  bar: IStatusBar | null,
  current: CurrentNotebook,
  onClick: (item: StatusItem) => void
): void {
  if (!bar) {
    return;
  }
  const item = new StatusItem(current, onClick);
  const isActive = (): boolean =>
    current.state !== null && (shell.currentWidget ?? current.panel) === current.panel;
  const activeStateChanged = new Signal<StatusItem, void>(item);
  const emit = (): void => {
    activeStateChanged.emit();
  };
  current.changed.connect(emit);
  shell.currentChanged?.connect(emit);
  bar.registerStatusItem('cc-jupyter:status', {
    item,
    align: 'left',
    rank: 3,
    isActive,
    activeStateChanged
  });
}
