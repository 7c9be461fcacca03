/** The bar above an answer that names its active version and shows what has changed. */

import type { CodeCell } from '@jupyterlab/cells';
import { caretLeftIcon, caretRightIcon, closeIcon } from '@jupyterlab/ui-components';

import { button, h } from '../app/dom';
import { iconButton } from '../app/icons';
import { joined } from '../app/text';
import type { IPiece, IVersions } from '../kernel/protocol';
import { shortName } from '../models/modelText';
import { headerOf } from './answerHeader';
import { type IOtherPrompt, otherPrompt } from './versionStep';

const TAGS = { '=': 'span', '-': 'del', '+': 'ins' } as const;
const HIDDEN = 'cc-mod-compared';

export interface IVersionBarActions {
  readonly step: (by: -1 | 1) => void;
  /** Put a prompt and its model into the cell. */
  readonly restore: (other: IOtherPrompt) => void;
  /** Return the node that shows the answer. */
  readonly answer: () => HTMLElement | null;
}

/** Create the buttons that show the previous and the next version. */
export function stepButtons(step: (by: -1 | 1) => void): HTMLElement[] {
  return [
    iconButton(caretLeftIcon, 'Previous version (P)', 'small', () => {
      step(-1);
    }),
    iconButton(caretRightIcon, 'Next version (N)', 'small', () => {
      step(1);
    })
  ];
}

export class VersionBar {
  private readonly message = h('span', { class: 'cc-version-message', role: 'status' });
  private readonly toggle = button('', '', () => {
    this.showDiff(!this.isDiffShown);
  });
  private readonly undo = h('button', { type: 'button', class: 'cc-text-button' }, 'Undo');
  private readonly restoreButton = button(
    'Restore its prompt',
    'Put this prompt into the cell (Shift P); undo brings yours back',
    () => {
      this.restore();
    }
  );
  private readonly prompt = h('div', {
    class: 'cc-version-prompt',
    role: 'region',
    'aria-label': 'Prompt of this version'
  });
  private other: IOtherPrompt | null = null;
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
    this.toggle.className = this.restoreButton.className = 'cc-text-button';
    this.node = h(
      'div',
      { class: 'cc-version', role: 'group', 'aria-label': 'Versions of the answer' },
      ...stepButtons(actions.step),
      this.message,
      this.restoreButton,
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

  /** Put the prompt of the shown version into the cell; returns whether it is another one. */
  restore(): boolean {
    if (!this.node.isConnected || !this.other) {
      return false;
    }
    this.actions.restore(this.other);
    return true;
  }

  /** Show which version is active, with a remark; what has changed is shown on request. */
  show(shown: IVersions, remark: string, pieces?: readonly IPiece[]): void {
    const { active, versions } = shown;
    const version = versions.find(each => each.version === active);
    const which = active === null ? 'No active version' : `Version ${active} of ${versions.length}`;
    this.other = otherPrompt(shown);
    const message = joined(
      which,
      shortName(version?.model ?? ''),
      version?.options ?? '',
      version?.cost ?? '',
      this.other ? 'answer to another prompt' : '',
      remark
    );
    this.prompt.textContent = this.other?.prompt ?? '';
    if (pieces) {
      this.diff.replaceChildren(...pieces.map(({ kind, text }) => h(TAGS[kind], {}, text)));
      this.showDiff(false);
    }
    this.put(message, false);
  }

  /**
   * Show which answer of a grid is active.
   *
   * @param undo - makes the one before active again; `null` if there is nothing to undo
   */
  showGrid(message: string, undo: (() => void) | null): void {
    this.other = null;
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
    this.prompt.hidden = this.restoreButton.hidden = isError || !this.other;
    headerOf(this.cell).put('version', this.node, this.prompt, this.diff);
  }
}
