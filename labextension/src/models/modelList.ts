/** A text box and the list of models it searches: the quick chooser and the panel show it. */

import { freshId, h } from '../app/dom';
import { abilities, matching, prices } from './modelText';
import type { IModel } from '../kernel/protocol';

const MOST_ROWS = 200;
const PAGE = 8;
const STEPS: Readonly<Record<string, number>> = {
  ArrowDown: 1,
  ArrowUp: -1,
  PageDown: PAGE,
  PageUp: -PAGE
};

export interface IModelListEvents {
  /** Enter or a click: this one. */
  choose(model: IModel): void;
  /** The arrows stand on another one; `null`: none fits. */
  point?(model: IModel | null): void;
  /** Esc in an empty text box; in another one it empties it. */
  leave?(): void;
}

export class ModelList {
  readonly input: HTMLInputElement;
  readonly node: HTMLElement;
  private readonly box: HTMLElement;
  private readonly more: HTMLElement;
  private readonly key = freshId('models');
  private models: readonly IModel[] = [];
  private shown: IModel[] = [];
  private current: string | null = null;
  private active: string | null = null;

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

  /** The one that the arrows stand on. */
  get pointed(): IModel | null {
    return this.shown.find(({ id }) => id === this.active) ?? null;
  }

  /** Show other models, or another one as the one in use. */
  show(models: readonly IModel[], current: string | null): void {
    const pointed = models.some(({ id }) => id === this.active);
    this.models = models;
    if (!pointed || this.active === this.current) {
      this.active = current;
    }
    this.current = current;
    this.draw();
  }

  private draw(): void {
    const found = matching(this.models, this.input.value);
    this.shown = found.slice(0, MOST_ROWS);
    if (!this.shown.some(({ id }) => id === this.active) && this.input.value.trim() !== '') {
      this.active = this.shown[0]?.id ?? null;
    }
    this.box.replaceChildren(...this.shown.map((model, place) => this.option(model, place)));
    this.more.textContent = this.remark(found.length);
    this.point();
  }

  private remark(found: number): string {
    if (found === 0 && this.models.length > 0) {
      return 'No model fits. Esc clears the search.';
    }
    const left = found - this.shown.length;
    return left > 0 ? `${left.toLocaleString('en')} more: type to narrow` : '';
  }

  private option(model: IModel, place: number): HTMLElement {
    const inUse = model.id === this.current ? h('span', { class: 'cc-in-use' }, ' in use') : '';
    const option = h(
      'div',
      { role: 'option', id: `${this.key}-${place}`, class: 'cc-model' },
      h('span', { class: 'cc-model-name' }, model.name, inUse),
      h('span', { class: 'cc-model-price' }, prices(model)),
      h('span', { class: 'cc-model-id' }, model.id),
      h('span', { class: 'cc-model-window' }, abilities(model))
    );
    option.addEventListener('mousedown', event => {
      event.preventDefault(); // the text box keeps the focus
    });
    option.addEventListener('click', () => {
      this.active = model.id;
      this.point();
      this.events.choose(model);
    });
    return option;
  }

  private press(event: KeyboardEvent): void {
    if (event.isComposing) {
      return;
    }
    const step = STEPS[event.key];
    if (step !== undefined) {
      this.move(this.place() + step);
    } else if (event.key === 'Enter') {
      this.take();
    } else if (event.key === 'Escape' && (this.input.value !== '' || this.events.leave)) {
      this.escape();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  }

  private take(): void {
    const model = this.pointed;
    if (model) {
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

  private place(): number {
    return this.shown.findIndex(({ id }) => id === this.active);
  }

  private move(place: number): void {
    const at = Math.max(0, Math.min(place, this.shown.length - 1));
    this.active = this.shown[at]?.id ?? null;
    this.point();
  }

  private point(): void {
    const place = this.place();
    for (const [at, option] of [...this.box.children].entries()) {
      option.classList.toggle('cc-active', at === place);
      option.setAttribute('aria-selected', String(at === place));
    }
    const option = this.box.children[place];
    if (option) {
      this.input.setAttribute('aria-activedescendant', option.id);
      scrollInto(this.box, option as HTMLElement);
    } else {
      this.input.removeAttribute('aria-activedescendant');
    }
    this.events.point?.(this.pointed);
  }
}

/** Scroll the list alone; `scrollIntoView` would move all that is around it, too. */
function scrollInto(box: HTMLElement, option: HTMLElement): void {
  const top = option.offsetTop; // the box is what it is counted from
  const bottom = top + option.offsetHeight;
  if (top < box.scrollTop) {
    box.scrollTop = top;
  } else if (bottom > box.scrollTop + box.clientHeight) {
    box.scrollTop = bottom - box.clientHeight;
  }
}
