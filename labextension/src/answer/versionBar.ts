/** What is said of the version that counts, with its difference to the one before in its place. */

import type { CodeCell } from '@jupyterlab/cells';
import { caretLeftIcon, caretRightIcon, closeIcon } from '@jupyterlab/ui-components';

import { h } from '../app/dom';
import { iconButton } from '../app/icons';
import { shortName } from '../models/modelText';
import type { IPiece, IVersions } from '../kernel/protocol';
import { stripOf } from './answerHeader';

const TAGS = { '=': 'span', '-': 'del', '+': 'ins' } as const;
const HIDDEN = 'cc-mod-compared';

export interface IVersionBarActions {
  readonly step: (by: -1 | 1) => void;
  /** Give what the page shows of the answer. */
  readonly answer: () => HTMLElement | null;
}

export class VersionBar {
  private readonly said = h('span', { class: 'cc-version-said', role: 'status' });
  private readonly toggle: HTMLButtonElement;
  private readonly difference = h('div', { class: 'cc-diff', role: 'region' });
  private readonly node: HTMLElement;
  private isOurs = false;
  private isCompared = false;

  constructor(
    private readonly cell: CodeCell,
    actions: IVersionBarActions
  ) {
    this.answer = actions.answer;
    this.difference.setAttribute('aria-label', 'Changes of the answer');
    this.toggle = h('button', { type: 'button', class: 'cc-text-button' });
    this.toggle.addEventListener('click', () => {
      this.compare(!this.isCompared);
    });
    this.node = h(
      'div',
      { class: 'cc-version', role: 'group', 'aria-label': 'Versions of the answer' },
      iconButton(caretLeftIcon, 'Previous version', 'small', () => {
        actions.step(-1);
      }),
      iconButton(caretRightIcon, 'Next version', 'small', () => {
        actions.step(1);
      }),
      this.said,
      this.toggle,
      iconButton(closeIcon, 'Hide versions', 'small', () => {
        this.hide();
      })
    );
    cell.node.addEventListener('keydown', event => {
      if (event.key === 'Escape' && this.node.isConnected) {
        this.hide();
      }
    });
    // an answer that is drawn anew, or another one, is not the one that was compared
    cell.model.outputs.changed.connect(() => {
      if (!this.isOurs) {
        this.hide();
      }
    });
  }

  /** Make a change of the outputs that the bar is about. */
  expectChange(change: () => void): void {
    this.compare(false);
    this.isOurs = true;
    try {
      change();
    } finally {
      this.isOurs = false;
    }
  }

  /** Say which version counts; with a remark, and what it has changed. */
  show({ active, versions }: IVersions, remark: string, pieces?: readonly IPiece[]): void {
    const version = versions.find(each => each.version === active);
    const which = active === null ? 'No version counts' : `Version ${active} of ${versions.length}`;
    const facts = [which, shortName(version?.model ?? ''), version?.cost ?? '', remark];
    this.said.textContent = facts.filter(fact => fact !== '').join(' · ');
    this.said.classList.remove('cc-error');
    if (pieces) {
      this.difference.replaceChildren(...pieces.map(({ kind, text }) => h(TAGS[kind], {}, text)));
    }
    this.toggle.hidden = this.difference.childElementCount === 0;
    this.put();
    if (pieces) {
      this.compare(pieces.length > 0);
    }
  }

  /** Say that it was not possible. */
  complain(words: string): void {
    this.said.textContent = words;
    this.said.classList.add('cc-error');
    this.toggle.hidden = this.difference.childElementCount === 0;
    this.put();
  }

  private readonly answer: () => HTMLElement | null;

  /** Show what differs in place of the answer, or the answer. */
  private compare(isCompared: boolean): void {
    this.cell.outputArea.node.querySelectorAll(`.${HIDDEN}`).forEach(each => {
      each.classList.remove(HIDDEN);
    });
    this.isCompared = isCompared;
    if (isCompared) {
      this.answer()?.classList.add(HIDDEN);
    }
    this.difference.hidden = !isCompared;
    this.toggle.textContent = isCompared ? 'Show answer' : 'Show changes';
  }

  private hide(): void {
    this.compare(false);
    this.difference.replaceChildren();
    if (this.node.isConnected) {
      const hadFocus = this.node.contains(document.activeElement);
      stripOf(this.cell).put('version');
      if (hadFocus) {
        this.cell.node.focus();
      }
    }
  }

  private put(): void {
    stripOf(this.cell).put('version', this.node, this.difference);
  }
}
