/** The model chooser: a dialog that returns the model that the user selects, by keyboard or mouse. */

import { errorMessage, h, statusNote } from '../app/dom';
import type { IModels } from '../kernel/protocol';
import { ModelList } from './modelList';

export interface IChooserOptions {
  /** The title, such as `Model of this notebook`. */
  readonly title: string;
  /** Request the models from the kernel. */
  readonly load: () => Promise<IModels>;
  /** The element above which the dialog opens; without one it opens in the middle. */
  readonly anchor?: Element | null;
}

let open: HTMLDialogElement | null = null;

/** Let the user choose a model; returns its id, or `null` if the user cancels. */
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
    const dialog = createDialog(options, list);
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

function createDialog(
  { title, load, anchor }: IChooserOptions,
  list: ModelList
): HTMLDialogElement {
  const note = statusNote('Loading the models…');
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
  // a click outside the dialog hits its backdrop, which has the dialog as its target
  dialog.addEventListener('mousedown', event => {
    if (event.target === dialog && !isWithin(event, dialog.getBoundingClientRect())) {
      dialog.close();
    }
  });
  load().then(
    ({ rows, current, note: age }) => {
      note.textContent = age; // set first, since it takes room from the list
      list.show(rows, current);
    },
    (error: unknown) => {
      note.textContent = errorMessage(error);
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
