/** The section with what the notebook spent: a table by model and a small plot. */

import { h } from '../app/dom';
import { shortName } from '../models/modelText';
import type { IState, IUsage, IUsageRow } from '../kernel/protocol';
import { type IPanelHost, type ISection, settled } from './host';
import { plot } from './plot';

const COLUMNS = ['requests', 'in', 'out', 'cost'];

export class Usage implements ISection {
  readonly title = 'Usage';
  readonly node = h('div', { class: 'cc-usage' });
  private shown = '';

  version(state: IState): string {
    return settled(state);
  }

  async refresh(host: IPanelHost): Promise<void> {
    const usage = await host.ask('get_usage', { notebook: host.notebook });
    const text = JSON.stringify(usage);
    if (text !== this.shown) {
      this.shown = text;
      this.node.replaceChildren(...view(usage));
    }
  }
}

function view({ rows, total, points, unknown }: IUsage): HTMLElement[] {
  if (total.requests === 0) {
    return [h('div', { class: 'cc-note' }, 'Nothing has been spent in this session.')];
  }
  const several = rows.length > 1;
  const table = h(
    'table',
    { 'aria-label': 'What the notebook spent in this session' },
    h('thead', {}, h('tr', {}, ...COLUMNS.map(name => h('th', { scope: 'col' }, name)))),
    ...rows.map(group),
    several ? group(total) : ''
  );
  const parts: HTMLElement[] = [table];
  if (points.length > 0) {
    parts.push(plot(points, total.cost));
  }
  if (unknown > 0) {
    const requests = unknown === 1 ? '1 request' : `${unknown} requests`;
    parts.push(h('div', { class: 'cc-note' }, `The plot leaves out ${requests} of unknown cost.`));
  }
  return parts;
}

/** Give a model's name and, below it, its figures: the panel is narrow, names are long. */
function group(row: IUsageRow): HTMLElement {
  const failed = row.failed > 0 ? ` (${row.failed} failed)` : '';
  const figures = [`${row.requests}${failed}`, row.tokens_in, row.tokens_out, row.cost];
  const columns = COLUMNS.length;
  return h(
    'tbody',
    {},
    h(
      'tr',
      {},
      h('th', { scope: 'rowgroup', colspan: columns, title: row.model }, shortName(row.model))
    ),
    h('tr', {}, ...figures.map(figure => h('td', {}, figure)))
  );
}
