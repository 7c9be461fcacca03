/** The bar above an answer that names its active version and shows what has changed. */

import type { CodeCell } from '@jupyterlab/cells';
import { caretLeftIcon, caretRightIcon, closeIcon } from '@jupyterlab/ui-components';

import { button, h } from '../app/dom';
import { iconButton } from '../app/icons';
import type { IPiece, IVersions } from '../kernel/protocol';
import { shortName } from '../models/modelText';
import { headerOf } from './answerHeader';

const TAGS = { '=': 'span', '-': 'del', '+': 'ins' } as const;
const HIDDEN = 'cc-mod-compared';

export interface IVersionBarActions {
  readonly step: (by: -1 | 1) => void;
  /** Return the node that shows the answer. */
  readonly answer: () => HTMLElement | null;
}

export class VersionBar {
  private readonly message = h('span', { class: 'cc-version-message', role: 'status' });
  private readonly toggle = button('', '', () => {
    this.showDiff(!this.isDiffShown);
  });
  private readonly undo = h('button', { type: 'button', class: 'cc-text-button' }, 'Undo');
  private readonly diff = h('div', {
    class: 'cc-diff',
    role: 'region',
    'aria-label': 'Changes in the answer'
  });
  private readonly node: HTMLElement;
  private isOwnChange = false;
  private isDiffShown = false;

  constructor(
    private readonly cell: CodeCell,
    private readonly actions: IVersionBarActions
  ) {
    this.toggle.className = 'cc-text-button';
    this.node = h(
      'div',
      { class: 'cc-version', role: 'group', 'aria-label': 'Versions of the answer' },
      iconButton(caretLeftIcon, 'Previous version', 'small', () => {
        actions.step(-1);
      }),
      iconButton(caretRightIcon, 'Next version', 'small', () => {
        actions.step(1);
      }),
      this.message,
      this.toggle,
      this.undo,
      iconButton(closeIcon, 'Hide versions', 'small', () => {
        this.hide();
      })
    );
    cell.node.addEventListener('keydown', event => {
      if (event.key === 'Escape' && this.node.isConnected) {
        this.hide();
      }
    });
    // the bar does not apply to an answer that came or was rendered after the comparison
    cell.model.outputs.changed.connect(() => {
      if (!this.isOwnChange) {
        this.hide();
      }
    });
  }

  /** Change the outputs without hiding the bar. */
  applyChange(change: () => void): void {
    this.showDiff(false);
    this.isOwnChange = true;
    try {
      change();
    } finally {
      this.isOwnChange = false;
    }
  }

  /** Show which version is active, with a remark and what has changed. */
  show({ active, versions }: IVersions, remark: string, pieces?: readonly IPiece[]): void {
    const version = versions.find(each => each.version === active);
    const which = active === null ? 'No active version' : `Version ${active} of ${versions.length}`;
    const parts = [which, shortName(version?.model ?? ''), version?.cost ?? '', remark];
    if (pieces) {
      this.diff.replaceChildren(...pieces.map(({ kind, text }) => h(TAGS[kind], {}, text)));
    }
    this.put(parts.filter(part => part !== '').join(' · '), false);
    if (pieces) {
      this.showDiff(pieces.length > 0);
    }
  }

  /**
   * Show which answer of a grid is active.
   *
   * @param undo - makes the one before active again; `null` if there is nothing to undo
   */
  showGrid(message: string, undo: (() => void) | null): void {
    this.diff.replaceChildren();
    this.showDiff(false);
    this.put(message, false);
    this.undo.onclick = undo;
    this.undo.hidden = undo === null;
  }

  /** Show why the version could not be switched. */
  showError(message: string): void {
    this.put(message, true);
  }

  /** Show the diff in place of the answer, or the answer. */
  private showDiff(isShown: boolean): void {
    this.cell.outputArea.node.querySelectorAll(`.${HIDDEN}`).forEach(each => {
      each.classList.remove(HIDDEN);
    });
    this.isDiffShown = isShown;
    if (isShown) {
      this.actions.answer()?.classList.add(HIDDEN);
    }
    this.diff.hidden = !isShown;
    this.toggle.textContent = isShown ? 'Show answer' : 'Show changes';
  }

  private hide(): void {
    this.showDiff(false);
    this.diff.replaceChildren();
    if (this.node.isConnected) {
      const hadFocus = this.node.contains(document.activeElement);
      headerOf(this.cell).put('version');
      if (hadFocus) {
        this.cell.node.focus();
      }
    }
  }

  private put(message: string, isError: boolean): void {
    this.message.textContent = message;
    this.undo.hidden = true;
    this.message.classList.toggle('cc-error', isError);
    this.toggle.hidden = this.diff.childElementCount === 0;
    headerOf(this.cell).put('version', this.node, this.diff);
  }
}
