/** Creates DOM elements. Text from a model or a user is inserted as text, never as HTML. */

type Value = string | number | boolean | null | ((event: Event) => void);

/**
 * Create an element.
 *
 * @param attributes - by name; `false` and `null` are left out, a function under `onclick` is added
 * as a listener
 * @param children - nodes and strings; a string becomes a text node
 */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, Value>> = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') {
      element.addEventListener(name.slice(2), value);
    } else if (value !== false && value !== null) {
      element.setAttribute(name, value === true ? '' : String(value));
    }
  }
  element.append(...children.filter(child => child !== ''));
  return element;
}

/** Create a button; `title` is its tooltip. */
export function button(label: string, title: string, onclick: () => void): HTMLButtonElement {
  return h('button', { type: 'button', title: title || null, onclick }, label);
}

/** Create a note whose changes screen readers read aloud. */
export function statusNote(text = ''): HTMLElement {
  return h('div', { class: 'cc-note', role: 'status' }, text);
}

let ids = 0;

/** Return an id that no other element of the page has. */
export function uniqueId(name: string): string {
  ids += 1;
  return `cc-jupyter-${name}-${ids}`;
}

/** Return the message of whatever was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
