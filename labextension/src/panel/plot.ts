/** A small plot of what was spent, with the same in words for those who do not see it. */

import type { IUsagePoint } from '../kernel/protocol';
import { h } from '../app/dom';

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 240;
const HEIGHT = 60;

/**
 * Draw the sums over time; of the tokens where nothing cost anything.
 *
 * @param points - oldest first, at least one
 * @param cost - the sum as the kernel writes it
 */
export function plot(points: readonly IUsagePoint[], cost: string): HTMLElement {
  const costs = points.some(({ usd }) => usd > 0);
  const values = points.map(({ usd, tokens }) => (costs ? usd : tokens));
  const times = points.map(({ sent_at: at }) => Date.parse(at));
  const what = costs
    ? `Cost so far: ${cost}`
    : `Tokens so far: ${last(values).toLocaleString('en')}`;
  const requests = points.length === 1 ? '1 request' : `${points.length} requests`;
  const [begin, end] = [clock(times[0]), clock(times.at(-1))];
  const when = begin === end ? begin : `${begin} to ${end}`;
  const label = `${what} after ${requests}, ${when}`;
  return h('figure', { class: 'cc-plot' }, drawing(times, values, label), caption(what, when));
}

/** Give the corners of the steps in the drawing's own units, like `0,60 0,30 240,30`. */
export function steps(times: readonly number[], values: readonly number[]): string {
  const start = times[0] ?? 0;
  const span = (times.at(-1) ?? 0) - start || 1;
  const most = Math.max(...values) || 1;
  const corners = [`0,${HEIGHT}`];
  let before = HEIGHT;
  for (const [at, value] of values.entries()) {
    const x = round((((times[at] ?? start) - start) / span) * WIDTH);
    const y = round(HEIGHT - (value / most) * (HEIGHT - 4));
    corners.push(`${x},${before}`, `${x},${y}`);
    before = y;
  }
  return [...corners, `${WIDTH},${before}`].join(' ');
}

function drawing(times: number[], values: number[], label: string): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('role', 'img');
  svg.setAttribute('aria-label', label);
  const corners = steps(times, values);
  svg.append(
    shape('polygon', 'cc-plot-area', `${corners} ${WIDTH},${HEIGHT}`),
    shape('polyline', 'cc-plot-line', corners)
  );
  return svg;
}

function shape(name: string, className: string, points: string): Element {
  const element = document.createElementNS(SVG, name);
  element.setAttribute('class', className);
  element.setAttribute('points', points);
  return element;
}

function caption(what: string, when: string): HTMLElement {
  // the drawing's own label says the same
  return h('figcaption', { 'aria-hidden': 'true' }, h('span', {}, what), h('span', {}, when));
}

function clock(time = 0): string {
  return new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}

function last(values: readonly number[]): number {
  return values.at(-1) ?? 0;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
