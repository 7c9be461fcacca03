/** The section with all models: a search, and the details of the highlighted model. */

import { button, errorMessage, h, statusNote } from '../app/dom';
import type { IModel, IModels, IState } from '../kernel/protocol';
import { ModelList } from '../models/modelList';
import { details, shortName } from '../models/modelText';
import type { IPanelHost, ISection } from './host';

const PICK = '+ Compare';
const PICKED = '✓ Compare';

export class ModelsSection implements ISection {
  readonly title = 'Models';
  readonly node: HTMLElement;
  private readonly list: ModelList;
  private readonly details = h('div', {
    class: 'cc-model-details',
    role: 'region',
    'aria-label': 'Model details'
  });
  private readonly useButton = button(
    'Use for this notebook',
    'Applies until the kernel restarts (Enter)',
    () => void this.choose(this.list.highlighted, false)
  );
  private readonly defaultButton = button(
    'Set as default',
    'Also saves it in your settings, for all notebooks',
    () => void this.choose(this.list.highlighted, true)
  );
  private readonly favouriteButton = button(
    '☆ Favourite',
    'Favourites come first in every list of models',
    () => void this.mark(this.list.highlighted)
  );
  private readonly pickButton = button(
    PICK,
    'Add this model to those to compare (Shift+Enter in the list)',
    () => {
      this.pick(this.list.highlighted);
    }
  );
  private readonly compareButton = button('', '', () => {
    this.compare();
  });
  private readonly refreshButton = button(
    'Refresh',
    "Fetch the provider's list of models",
    () => void this.fetch()
  );
  private readonly message = statusNote();
  private host: IPanelHost | null = null;
  /** The ids of the models to compare. */
  private picked: readonly string[] = [];

  constructor() {
    this.list = new ModelList({
      choose: model => void this.choose(model, false),
      pick: model => {
        this.pick(model);
      },
      highlight: model => {
        this.showDetails(model);
      }
    });
    const bar = h(
      'div',
      { class: 'cc-bar' },
      this.useButton,
      this.defaultButton,
      this.favouriteButton,
      this.pickButton,
      this.compareButton,
      this.refreshButton
    );
    this.node = h('div', {}, this.list.node, this.details, bar, this.message);
    this.showDetails(null);
    this.showPicked();
  }

  version(state: IState): string {
    return state.model ?? '';
  }

  async refresh(host: IPanelHost): Promise<void> {
    this.host = host;
    this.show(await host.request('list_models', {}));
  }

  private show({ rows, current, note }: IModels): void {
    this.list.show(rows, current);
    this.message.textContent = note;
  }

  private async fetch(): Promise<void> {
    const { host } = this;
    if (!host) {
      return;
    }
    this.refreshButton.disabled = true;
    this.message.textContent = 'Asking the provider…';
    await this.attempt(async () => {
      this.show(await host.request('refresh_models', {}));
    });
    this.refreshButton.disabled = false;
  }

  private async choose(model: IModel | null, save: boolean): Promise<void> {
    const { host } = this;
    if (!model || !host) {
      return;
    }
    await this.attempt(async () => {
      const { said } = await host.request('set_model', { model: model.id, save });
      this.show(await host.request('list_models', {}));
      this.message.textContent = said || `${model.name} is in use.`;
    });
  }

  private async mark(model: IModel | null): Promise<void> {
    const { host } = this;
    if (!model || !host) {
      return;
    }
    await this.attempt(async () => {
      await host.request('mark_model', { model: model.id, on: model.group !== 'favourite' });
      this.show(await host.request('list_models', {}));
    });
  }

  /** Perform an action; if it fails, show why. */
  private async attempt(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.message.textContent = errorMessage(error);
    }
  }

  /** Add a model to those to compare, or remove it. */
  private pick(model: IModel | null): void {
    if (model) {
      const others = this.picked.filter(id => id !== model.id);
      this.picked = others.length < this.picked.length ? others : [...others, model.id];
      this.showPicked();
    }
  }

  private showPicked(): void {
    this.list.markPicked(this.picked); // it highlights a model again, which updates the buttons
    const names = this.picked.map(shortName).join(', ');
    this.compareButton.textContent = `Compare these ${this.picked.length}`;
    this.compareButton.title = `Ask ${names}: in the active prompt cell, or else in a new one below the active cell`;
    this.compareButton.hidden = this.picked.length < 2;
  }

  private compare(): void {
    if (this.host) {
      const where = this.host.compare(this.picked);
      this.message.textContent = `${where} ${this.picked.map(shortName).join(', ')}.`;
      this.picked = [];
      this.showPicked();
    }
  }

  private showDetails(model: IModel | null): void {
    this.useButton.disabled = this.defaultButton.disabled = model === null;
    this.favouriteButton.disabled = this.pickButton.disabled = model === null;
    const isPicked = model !== null && this.picked.includes(model.id);
    this.pickButton.textContent = isPicked ? PICKED : PICK;
    this.pickButton.setAttribute('aria-pressed', String(isPicked));
    const isFavourite = model?.group === 'favourite';
    this.favouriteButton.textContent = isFavourite ? '★ Favourite' : '☆ Favourite';
    this.favouriteButton.setAttribute('aria-pressed', String(isFavourite));
    this.details.hidden = model === null;
    if (model) {
      this.details.replaceChildren(
        h('strong', {}, model.name),
        h('div', { class: 'cc-model-id' }, `${model.id} · ${model.maker}`),
        h(
          'dl',
          {},
          ...details(model).flatMap(([name, value]) => [h('dt', {}, name), h('dd', {}, value)])
        )
      );
    }
  }
}
