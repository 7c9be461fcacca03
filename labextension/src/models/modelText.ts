/** The text shown for models, and the models that a search finds, as in the picker widget. */

import { formatted, joined } from '../app/text';
import type { IModel } from '../kernel/protocol';

const COMPARISON = /^([<>])=?(\$?)(\d+(?:\.\d+)?)([km]?)$/;
const FACTORS: Readonly<Record<string, number>> = { k: 1_000, m: 1_000_000 };

/**
 * Return the models that fit every word of a query, as in `%cmd models` and the picker widget.
 *
 * Those whose name contains the query as typed come first; otherwise the order stays the same.
 */
export function matching(models: readonly IModel[], query: string): IModel[] {
  const phrase = query.trim().toLowerCase();
  const words = phrase.split(/\s+/).filter(Boolean);
  const found = models.filter(model => words.every(word => fits(model, word)));
  const exact = (model: IModel): boolean => names(model).includes(phrase);
  return [...found.filter(exact), ...found.filter(model => !exact(model))];
}

function fits(model: IModel, word: string): boolean {
  const comparison = COMPARISON.exec(word);
  if (comparison) {
    const [, sign, dollar, number, unit = ''] = comparison;
    const limit = Number(number) * (FACTORS[unit] ?? 1);
    const value = dollar ? parseFloat(model.output.slice(1)) : (model.window ?? NaN);
    return sign === '>' ? value >= limit : value <= limit;
  }
  if (/^[<>]/.test(word)) {
    return true; // it is still being typed
  }
  const isAbility = word.length > 2 && model.words.some(each => each.startsWith(word));
  return isAbility || names(model).includes(word);
}

function names({ id, name, maker }: IModel): string {
  return `${id} ${name} ${maker}`.toLowerCase();
}

/** Return the prices of prompt and answer, one below the other in the columns of a list. */
export function prices(model: IModel): readonly [string, string] {
  if (model.band === 'free') {
    return ['', 'free'];
  }
  return model.band === '?' ? ['', 'price ?'] : [model.input, model.output];
}

/** Return the context window and the abilities. */
export function abilities(model: IModel): string {
  const { window, image, reasons } = model;
  return joined(shortCount(window), image ? 'image' : '', reasons ? 'reasoning' : '');
}

/** Return the details of a model, each with its name. */
export function details(model: IModel): [string, string][] {
  const all: [string, string][] = [
    ['prompt price', perMillion(model.input)],
    ['answer price', perMillion(model.output)],
    ['your last prompt', model.last || 'no prompt in this session yet'],
    ['your speed', model.speed || 'not measured yet'],
    ['context window', longCount(model.window)],
    ['longest answer', longCount(model.ceiling)],
    ['reads images', model.image ? 'yes' : 'no'],
    ['reasoning', model.efforts.join(', ') || (model.reasons ? 'yes, without levels' : 'no')],
    ['endpoint', model.endpoint],
    ['notes', model.notes.join('; ')]
  ];
  return all.filter(([, value]) => value !== '');
}

/** Return a model's id without its maker, as the usage line shows it. */
export function shortName(model: string): string {
  return model.slice(model.lastIndexOf('/') + 1);
}

function perMillion(price: string): string {
  return price === '?' ? price : `${price} per million tokens`;
}

function longCount(tokens: number | null): string {
  return tokens === null ? '?' : `${formatted(tokens)} tokens`;
}

function shortCount(tokens: number | null): string {
  if (tokens === null) {
    return '?';
  }
  if (tokens >= 1_000_000) {
    return `${Number((tokens / 1_000_000).toFixed(2))}M`;
  }
  return tokens >= 1000 ? `${Math.round(tokens / 1000)}k` : String(tokens);
}
