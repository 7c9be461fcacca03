/** The text shown for models, and the models that a search finds, as in the picker widget. */

import type { IModel } from '../kernel/protocol';

/** Return the models that contain every word of a query, in their original order. */
export function matching(models: readonly IModel[], query: string): IModel[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return models.filter(model => {
    const text = searchText(model);
    return words.every(word => text.includes(word));
  });
}

function searchText(model: IModel): string {
  const abilities = `${model.image ? 'image' : ''} ${model.reasons ? 'reasoning' : ''}`;
  return `${model.id} ${model.name} ${model.maker} ${abilities} ${model.band}`.toLowerCase();
}

/** Return both prices. */
export function prices(model: IModel): string {
  if (model.band === 'free') {
    return 'free';
  }
  return model.band === '?' ? 'price ?' : `${model.input} / ${model.output}`;
}

/** Return the context window and the abilities. */
export function abilities(model: IModel): string {
  const badges = [model.image ? 'image' : '', model.reasons ? 'reasoning' : ''];
  return [shortCount(model.window), ...badges].filter(Boolean).join(' · ');
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
  return tokens === null ? '?' : `${tokens.toLocaleString('en')} tokens`;
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
