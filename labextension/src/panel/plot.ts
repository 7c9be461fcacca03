/** A small plot of the usage over time with its axes, and a text alternative for screen readers. */

import { h } from '../app/dom';
import { counted, formatted } from '../app/text';
import type { IUsagePoint } from '../kernel/protocol';

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 240;
const HEIGHT = 60;

/**
 * Draw the cost so far over time, or the tokens so far if there was no cost.
 *
 * @param points - oldest first, at least one
 * @param cost - the total, as the kernel formats it
 */
export function plot(points: readonly IUsagePoint[], cost: string): HTMLElement {
  const hasCost = points.some(({ usd }) => usd > 0);
  const values = points.map(({ usd, tokens }) => (hasCost ? usd : tokens));
  const times = points.map(({ sent_at: at }) => Date.parse(at));
  const what = hasCost ? `Cost so far: ${cost}` : `Tokens so far: ${formatted(values.at(-1) ?? 0)}`;
  const requests = counted(points.length, 'request');
  const [begin, end] = [clock(times[0]), clock(times.at(-1))];
  const when = begin === end ? begin : `${begin} to ${end}`;
  const label = `${what} after ${requests}, ${when}`;
  const highest = hasCost ? dollars(Math.max(...values)) : formatted(Math.max(...values));
  return h(
    'figure',
    { class: 'cc-plot' },
    axis('figcaption', 'cc-plot-legend', what),
    axis('div', 'cc-plot-y', highest, hasCost ? '$0' : '0'),
    drawing(times, values, label),
    axis('div', 'cc-plot-x', begin, begin === end ? '' : end)
  );
}

/** Return the corners of the steps in the drawing's units, such as `0,60 0,30 240,30`. */
export function steps(times: readonly number[], values: readonly number[]): string {
  const start = times[0] ?? 0;
  const span = (times.at(-1) ?? 0) - start || 1;
  const max = Math.max(...values) || 1;
  const corners = [`0,${HEIGHT}`];
  let previous = HEIGHT;
  for (const [index, value] of values.entries()) {
    const x = round((((times[index] ?? start) - start) / span) * WIDTH);
    const y = round(HEIGHT * (1 - value / max));
    corners.push(`${x},${previous}`, `${x},${y}`);
    previous = y;
  }
  return [...corners, `${WIDTH},${previous}`].join(' ');
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

/** Return the text at a side of the drawing, hidden because the drawing's label says the same. */
function axis(tag: 'div' | 'figcaption', name: string, ...texts: readonly string[]): HTMLElement {
  const spans = texts.map(text => h('span', {}, text));
  return h(tag, { class: name, 'aria-hidden': 'true' }, ...spans);
}

function dollars(usd: number): string {
  const format = { style: 'currency', currency: 'USD', maximumSignificantDigits: 2 } as const;
  return usd.toLocaleString('en', format);
}

function clock(time = 0): string {
  return new Date(time).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
