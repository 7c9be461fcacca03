/** The section with all models: a search, and the details of the highlighted model. */

import { button, errorMessage, h } from '../app/dom';
import type { IModel, IModels, IState } from '../kernel/protocol';
import { ModelList } from '../models/modelList';
import { details } from '../models/modelText';
import type { IPanelHost, ISection } from './host';

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
  private readonly refreshButton = button(
    'Refresh',
    "Fetch the provider's list of models",
    () => void this.fetch()
  );
  private readonly message = h('div', { class: 'cc-note', role: 'status' });
  private host: IPanelHost | null = null;

  constructor() {
    this.list = new ModelList({
      choose: model => void this.choose(model, false),
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
      this.refreshButton
    );
    this.node = h('div', {}, this.list.node, this.details, bar, this.message);
    this.showDetails(null);
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
    try {
      this.show(await host.request('refresh_models', {}));
    } catch (error) {
      this.message.textContent = errorMessage(error);
    } finally {
      this.refreshButton.disabled = false;
    }
  }

  private async choose(model: IModel | null, save: boolean): Promise<void> {
    const { host } = this;
    if (!model || !host) {
      return;
    }
    try {
      const { said } = await host.request('set_model', { model: model.id, save });
      this.show(await host.request('list_models', {}));
      this.message.textContent = said || `${model.name} is in use.`;
    } catch (error) {
      this.message.textContent = errorMessage(error);
    }
  }

  private async mark(model: IModel | null): Promise<void> {
    const { host } = this;
    if (!model || !host) {
      return;
    }
    try {
      await host.request('mark_model', { model: model.id, on: model.group !== 'favourite' });
      this.show(await host.request('list_models', {}));
    } catch (error) {
      this.message.textContent = errorMessage(error);
    }
  }

  private showDetails(model: IModel | null): void {
    this.useButton.disabled = this.defaultButton.disabled = model === null;
    this.favouriteButton.disabled = model === null;
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
