/** The section with the notebook's usage: a table by model and a small plot. */

import { h } from '../app/dom';
import { counted } from '../app/text';
import type { IState, IUsage, IUsageRow } from '../kernel/protocol';
import { shortName } from '../models/modelText';
import { type IPanelHost, type ISection, stateKey } from './host';
import { plot } from './plot';

const COLUMNS = ['requests', 'in', 'out', 'cost'];

export class UsageSection implements ISection {
  readonly title = 'Usage';
  readonly node = h('div', { class: 'cc-usage' });
  private shown = '';

  version(state: IState): string {
    return stateKey(state);
  }

  async refresh(host: IPanelHost): Promise<void> {
    const usage = await host.request('get_usage', { notebook: host.notebook });
    const text = JSON.stringify(usage);
    if (text !== this.shown) {
      this.shown = text;
      this.node.replaceChildren(...view(usage));
    }
  }
}

function view({ rows, total, points, unknown }: IUsage): HTMLElement[] {
  if (total.requests === 0) {
    return [h('div', { class: 'cc-note' }, 'No requests in this session yet.')];
  }
  const several = rows.length > 1;
  const table = h(
    'table',
    { 'aria-label': 'Usage of the notebook in this session' },
    h('thead', {}, h('tr', {}, ...COLUMNS.map(name => h('th', { scope: 'col' }, name)))),
    ...rows.map(group),
    several ? group(total) : ''
  );
  const parts: HTMLElement[] = [table];
  if (points.length > 0) {
    parts.push(plot(points, total.cost));
  }
  if (unknown > 0) {
    const requests = counted(unknown, 'request');
    parts.push(h('div', { class: 'cc-note' }, `The plot leaves out ${requests} of unknown cost.`));
  }
  return parts;
}

/** Return two rows, the model's name and its figures: names are long and the panel is narrow. */
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
