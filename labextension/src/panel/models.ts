/** The section with all models: the search of the picker, and all about the one pointed at. */

import { button, h, words } from '../app/dom';
import { ModelList } from '../models/modelList';
import { facts } from '../models/modelText';
import type { IModel, IModels, IState } from '../kernel/protocol';
import type { IPanelHost, ISection } from './host';

export class Models implements ISection {
  readonly title = 'Models';
  readonly node: HTMLElement;
  private readonly list: ModelList;
  private readonly details = h('div', {
    class: 'cc-model-details',
    role: 'region',
    'aria-label': 'About the model'
  });
  private readonly use = button(
    'Use for this notebook',
    'Until the kernel restarts (Enter)',
    () => void this.choose(this.list.pointed, false)
  );
  private readonly keep = button(
    'Set as default',
    'Also writes it into your settings, for all notebooks',
    () => void this.choose(this.list.pointed, true)
  );
  private readonly renew = button(
    'Refresh',
    'Ask the provider for its list of models',
    () => void this.load()
  );
  private readonly said = h('div', { class: 'cc-note', role: 'status' });
  private host: IPanelHost | null = null;

  constructor() {
    this.list = new ModelList({
      choose: model => void this.choose(model, false),
      point: model => {
        this.point(model);
      }
    });
    const bar = h('div', { class: 'cc-bar' }, this.use, this.keep, this.renew);
    this.node = h('div', {}, this.list.node, this.details, bar, this.said);
    this.point(null);
  }

  version(state: IState): string {
    return state.model ?? '';
  }

  async refresh(host: IPanelHost): Promise<void> {
    this.host = host;
    this.show(await host.ask('list_models', {}));
  }

  private show({ rows, current, note }: IModels): void {
    this.list.show(rows, current);
    this.said.textContent = note;
  }

  private async load(): Promise<void> {
    const { host } = this;
    if (!host) {
      return;
    }
    this.renew.disabled = true;
    this.said.textContent = 'asking the provider…';
    try {
      this.show(await host.ask('refresh_models', {}));
    } catch (error) {
      this.said.textContent = words(error);
    } finally {
      this.renew.disabled = false;
    }
  }

  private async choose(model: IModel | null, save: boolean): Promise<void> {
    const { host } = this;
    if (!model || !host) {
      return;
    }
    try {
      const { said } = await host.ask('set_model', { model: model.id, save });
      this.show(await host.ask('list_models', {}));
      this.said.textContent = said || `${model.name} is in use.`;
    } catch (error) {
      this.said.textContent = words(error);
    }
  }

  private point(model: IModel | null): void {
    this.use.disabled = this.keep.disabled = model === null;
    this.details.hidden = model === null;
    if (model) {
      this.details.replaceChildren(
        h('strong', {}, model.name),
        h('div', { class: 'cc-model-id' }, `${model.id} · ${model.maker}`),
        h(
          'dl',
          {},
          ...facts(model).flatMap(([name, fact]) => [h('dt', {}, name), h('dd', {}, fact)])
        )
      );
    }
  }
}
