/** What is shown of models, and which of them a search finds: by the rules of the picker widget. */

import type { IModel } from '../kernel/protocol';

/** The models that hold every word of a query, in the order they came in. */
export function matching(models: readonly IModel[], query: string): IModel[] {
  const asked = query.toLowerCase().split(/\s+/).filter(Boolean);
  return models.filter(model => {
    const text = haystack(model);
    return asked.every(word => text.includes(word));
  });
}

function haystack(model: IModel): string {
  const abilities = `${model.image ? 'image' : ''} ${model.reasons ? 'reasoning' : ''}`;
  return `${model.id} ${model.name} ${model.maker} ${abilities} ${model.band}`.toLowerCase();
}

/** Both prices as one text. */
export function prices(model: IModel): string {
  if (model.band === 'free') {
    return 'free';
  }
  return model.band === '?' ? 'price ?' : `${model.input} / ${model.output}`;
}

/** Window and abilities as one text. */
export function abilities(model: IModel): string {
  const badges = [model.image ? 'image' : '', model.reasons ? 'reasoning' : ''];
  return [shortCount(model.window), ...badges].filter(Boolean).join(' · ');
}

/** All that is known of a model: names of facts and the facts. */
export function facts(model: IModel): [string, string][] {
  const all: [string, string][] = [
    ['prompt', perMillion(model.input)],
    ['answer', perMillion(model.output)],
    ['your last prompt', model.last || 'none yet in this session'],
    ['your speed', model.speed || 'not measured yet'],
    ['window', longCount(model.window)],
    ['longest answer', longCount(model.ceiling)],
    ['reads images', model.image ? 'yes' : 'no'],
    ['reasoning', model.efforts.join(', ') || (model.reasons ? 'yes, without levels' : 'no')],
    ['endpoint', model.endpoint],
    ['notes', model.notes.join('; ')]
  ];
  return all.filter(([, fact]) => fact !== '');
}

/** A model's id without its maker. */
export function shortName(model: string): string {
  return model.slice(model.lastIndexOf('/') + 1);
}

function perMillion(price: string): string {
  return price === '?' ? price : `${price} / M tokens`;
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
