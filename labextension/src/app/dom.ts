/** Makes elements. Whatever a model or a user wrote goes in as text, never as HTML. */

type Value = string | number | boolean | null | ((event: Event) => void);

/**
 * Make an element.
 *
 * @param attributes - by name; `false` and `null` are left out, a function under `onclick` listens
 * @param children - nodes, and texts as they stand
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

/** Make a button; `title` says more than its label does. */
export function button(label: string, title: string, clicked: () => void): HTMLButtonElement {
  return h('button', { type: 'button', title: title || null, onclick: clicked }, label);
}

let ids = 0;

/** Give an id that no other element of the page has. */
export function freshId(what: string): string {
  ids += 1;
  return `cc-jupyter-${what}-${ids}`;
}

/** Tell what went wrong in words; whoever threw it. */
export function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
