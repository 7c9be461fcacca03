/** A search box and the list of models that it filters, for the chooser and the panel. */

import { h, uniqueId } from '../app/dom';
import { formatted } from '../app/text';
import type { IModel } from '../kernel/protocol';
import { abilities, matching, prices } from './modelText';

const GROUPS = { favourite: 'Favourites', recent: 'Recent', '': 'All others' } as const;

const MAX_ROWS = 200;
const PAGE = 8;
const STEPS: Readonly<Record<string, number>> = {
  ArrowDown: 1,
  ArrowUp: -1,
  PageDown: PAGE,
  PageUp: -PAGE
};

export interface IModelListEvents {
  /** Enter was pressed, or a model was clicked. */
  choose(model: IModel): void;
  /** Another model is highlighted; `null` if none matches. */
  highlight?(model: IModel | null): void;
  /** Shift+Enter was pressed, or a model was clicked with Shift or Ctrl. */
  pick?(model: IModel): void;
  /** Esc was pressed in an empty search box; otherwise Esc clears the box. */
  leave?(): void;
}

export class ModelList {
  readonly input: HTMLInputElement;
  readonly node: HTMLElement;
  private readonly box: HTMLElement;
  private readonly more: HTMLElement;
  private readonly key = uniqueId('models');
  private models: readonly IModel[] = [];
  private shown: IModel[] = [];
  private current: string | null = null;
  private active: string | null = null;
  private picked: readonly string[] = [];

  constructor(private readonly events: IModelListEvents) {
    this.box = h('div', {
      class: 'cc-model-list',
      role: 'listbox',
      id: this.key,
      'aria-label': 'Models',
      tabindex: '-1'
    });
    this.input = h('input', {
      type: 'text',
      class: 'cc-model-search',
      role: 'combobox',
      placeholder: 'Search models',
      'aria-label': 'Search models',
      'aria-autocomplete': 'list',
      'aria-expanded': 'true',
      'aria-controls': this.key,
      autocomplete: 'off',
      spellcheck: 'false',
      oninput: () => {
        this.draw();
      }
    });
    this.input.addEventListener('keydown', event => {
      this.press(event);
    });
    this.more = h('div', { class: 'cc-model-more', role: 'status' });
    this.node = h('div', { class: 'cc-models' }, this.input, this.box, this.more);
  }

  /** The highlighted model. */
  get highlighted(): IModel | null {
    return this.shown.find(({ id }) => id === this.active) ?? null;
  }

  /** Show these models and mark the one in use. */
  show(models: readonly IModel[], current: string | null): void {
    const isListed = models.some(({ id }) => id === this.active);
    this.models = models;
    if (!isListed || this.active === this.current) {
      this.active = current;
    }
    this.current = current;
    this.draw();
  }

  /** Mark the models that are to be compared. */
  markPicked(models: readonly string[]): void {
    this.picked = models;
    this.draw();
  }

  private draw(): void {
    const found = matching(this.models, this.input.value);
    this.shown = found.slice(0, MAX_ROWS);
    if (!this.shown.some(({ id }) => id === this.active) && this.input.value.trim() !== '') {
      this.active = this.shown[0]?.id ?? null;
    }
    this.box.replaceChildren(
      ...this.shown.flatMap((model, index) => [
        ...this.heading(model, this.shown[index - 1]),
        this.option(model, index)
      ])
    );
    this.more.textContent = this.remark(found.length);
    this.highlight();
  }

  private remark(found: number): string {
    if (found === 0 && this.models.length > 0) {
      return 'No model matches. Press Esc to clear the search.';
    }
    const left = found - this.shown.length;
    return left > 0 ? `${formatted(left)} more; type to narrow the list` : '';
  }

  /** Return the heading above the first model of a group; a search has none. */
  private heading({ group }: IModel, before: IModel | undefined): HTMLElement[] {
    if (this.input.value.trim() !== '' || group === (before?.group ?? '')) {
      return [];
    }
    return [h('div', { class: 'cc-model-group', role: 'presentation' }, GROUPS[group])];
  }

  private get options(): HTMLElement[] {
    return [...this.box.querySelectorAll<HTMLElement>('[role=option]')];
  }

  private option(model: IModel, index: number): HTMLElement {
    const star = h('span', { class: 'cc-star', title: 'favourite' }, '★ ');
    const [input, output] = prices(model);
    const check = h('span', { class: 'cc-picked', role: 'img', 'aria-label': 'to compare' }, '✓ ');
    const inUse = model.id === this.current ? h('span', { class: 'cc-in-use' }, ' in use') : '';
    const option = h(
      'div',
      { role: 'option', id: `${this.key}-${index}`, class: 'cc-model' },
      h(
        'span',
        { class: 'cc-model-name' },
        this.picked.includes(model.id) ? check : '',
        model.group === 'favourite' ? star : '',
        model.name,
        inUse
      ),
      h(
        'span',
        { class: 'cc-model-price', title: 'USD per million tokens: prompt, answer' },
        h('span', {}, input),
        ' ',
        h('span', {}, output)
      ),
      h('span', { class: 'cc-model-id' }, model.id),
      h('span', { class: 'cc-model-window' }, abilities(model))
    );
    option.addEventListener('mousedown', event => {
      event.preventDefault(); // keeps the focus in the search box
    });
    option.addEventListener('click', event => {
      this.active = model.id;
      this.highlight();
      if (this.events.pick && (event.shiftKey || event.ctrlKey || event.metaKey)) {
        this.events.pick(model);
      } else {
        this.events.choose(model);
      }
    });
    return option;
  }

  private press(event: KeyboardEvent): void {
    if (event.isComposing) {
      return;
    }
    const step = STEPS[event.key];
    if (step !== undefined) {
      this.move(this.index() + step);
    } else if (event.key === 'Enter') {
      this.enter(event.shiftKey);
    } else if (event.key === 'Escape' && (this.input.value !== '' || this.events.leave)) {
      this.escape();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  private enter(isPick: boolean): void {
    const model = this.highlighted;
    if (model && isPick && this.events.pick) {
      this.events.pick(model);
    } else if (model) {
      this.events.choose(model);
    }
  }

  private escape(): void {
    if (this.input.value === '') {
      this.events.leave?.();
    } else {
      this.input.value = '';
      this.draw();
    }
  }

  private index(): number {
    return this.shown.findIndex(({ id }) => id === this.active);
  }

  private move(to: number): void {
    const index = Math.max(0, Math.min(to, this.shown.length - 1));
    this.active = this.shown[index]?.id ?? null;
    this.highlight();
  }

  private highlight(): void {
    const active = this.index();
    const { options } = this;
    for (const [index, option] of options.entries()) {
      option.classList.toggle('cc-active', index === active);
      option.setAttribute('aria-selected', String(index === active));
    }
    const option = options[active];
    if (option) {
      this.input.setAttribute('aria-activedescendant', option.id);
      scrollTo(this.box, option);
    } else {
      this.input.removeAttribute('aria-activedescendant');
    }
    this.events.highlight?.(this.highlighted);
  }
}

/** Scroll only the list; `scrollIntoView` would also scroll everything around it. */
function scrollTo(box: HTMLElement, option: HTMLElement): void {
  const top = option.offsetTop; // relative to the box
  const bottom = top + option.offsetHeight;
  if (top < box.scrollTop) {
    box.scrollTop = top;
  } else if (bottom > box.scrollTop + box.clientHeight) {
    box.scrollTop = bottom - box.clientHeight;
  }
}
