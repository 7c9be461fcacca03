/** The quick chooser: type, arrows, Enter. It gives a model and leaves to others what it is for. */

import { h, words } from '../app/dom';
import { ModelList } from './modelList';
import type { IModels } from '../kernel/protocol';

export interface IChooserOptions {
  /** What the choice is for, like `Model of this notebook`. */
  readonly title: string;
  /** Asks the kernel. */
  readonly load: () => Promise<IModels>;
  /** Beside what it opens; else it stands in the middle. */
  readonly anchor?: Element | null;
}

let open: HTMLDialogElement | null = null;

/** Let the user choose a model; gives its id, or `null` if none was chosen. */
export function chooseModel(options: IChooserOptions): Promise<string | null> {
  open?.close();
  return new Promise(resolve => {
    let chosen: string | null = null;
    const list = new ModelList({
      choose: model => {
        chosen = model.id;
        dialog.close();
      },
      leave: () => {
        dialog.close();
      }
    });
    const dialog = dialogOf(options, list);
    open = dialog;
    dialog.addEventListener('close', () => {
      dialog.remove();
      open = open === dialog ? null : open;
      resolve(chosen);
    });
    document.body.append(dialog);
    dialog.showModal();
    list.input.focus();
  });
}

function dialogOf({ title, load, anchor }: IChooserOptions, list: ModelList): HTMLDialogElement {
  const note = h('div', { class: 'cc-note', role: 'status' }, 'asking the kernel…');
  const dialog = h(
    'dialog',
    { class: 'cc-chooser', 'aria-label': title, 'data-lm-suppress-shortcuts': 'true' },
    h('div', { class: 'cc-chooser-title' }, title),
    list.node,
    note
  );
  if (anchor) {
    placeAbove(dialog, anchor.getBoundingClientRect());
  }
  // what is beside the dialog is its own backdrop
  dialog.addEventListener('mousedown', event => {
    if (event.target === dialog && !isWithin(event, dialog.getBoundingClientRect())) {
      dialog.close();
    }
  });
  load().then(
    ({ rows, current, note: age }) => {
      note.textContent = age; // it takes room from the list
      list.show(rows, current);
    },
    (error: unknown) => {
      note.textContent = words(error);
    }
  );
  return dialog;
}

function placeAbove(dialog: HTMLDialogElement, anchor: DOMRect): void {
  dialog.classList.add('cc-anchored');
  dialog.style.setProperty('--cc-left', `${Math.round(anchor.left)}px`);
  dialog.style.setProperty('--cc-bottom', `${Math.round(window.innerHeight - anchor.top)}px`);
}

function isWithin({ clientX, clientY }: MouseEvent, box: DOMRect): boolean {
  return clientX >= box.left && clientX <= box.right && clientY >= box.top && clientY <= box.bottom;
}
