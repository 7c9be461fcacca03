/** What a cell's text becomes: a prompt, no prompt any more, a prompt for another model. */

import { Text } from '@codemirror/state';

import { readOptionLine } from './optionLine';
import { magicLine } from './prompts';

/** A piece of text that others take the place of. */
export interface IEdit {
  readonly from: number;
  readonly to: number;
  readonly insert: string;
}

const MAGIC = '%%cmd';

/** Tell whether a cell with this text is a prompt. */
export function isPromptText(source: string): boolean {
  return lineOf(source) !== null;
}

/** Give a prompt's option line, from `%%cmd` on; empty: it is no prompt. */
export function optionLineOf(source: string): string {
  return lineOf(source)?.text.trim() ?? '';
}

/**
 * Make a prompt of a text, or the text of a prompt.
 *
 * @param line - the option line of a new prompt
 */
export function toggled(source: string, line: string): IEdit {
  const magic = lineOf(source);
  return magic
    ? { from: magic.from, to: Math.min(magic.to + 1, source.length), insert: '' }
    : { from: 0, to: 0, insert: `${line || MAGIC}\n` };
}

/** Let a prompt name a model, in place of the one it names; `null`: the text is no prompt. */
export function withModel(source: string, model: string): IEdit | null {
  const line = lineOf(source);
  if (!line) {
    return null;
  }
  const { from, to, insert } = modelEdit(line.text, written(model));
  return { from: line.from + from, to: line.from + to, insert };
}

/** Give the text after an edit. */
export function edited(source: string, { from, to, insert }: IEdit): string {
  return source.slice(0, from) + insert + source.slice(to);
}

function modelEdit(line: string, model: string): IEdit {
  const { spans } = readOptionLine(line);
  for (const [place, { from, to }] of spans.entries()) {
    const text = line.slice(from, to);
    const named = /^(?:-m|--model)(?==|$)/.exec(text)?.[0];
    if (named === undefined) {
      continue;
    }
    const next = spans[place + 1];
    if (named !== text) {
      return { from: from + named.length + 1, to, insert: model };
    }
    return next?.kind === 'value'
      ? { from: next.from, to: next.to, insert: model }
      : { from: to, to, insert: ` ${model}` };
  }
  const magic = spans[0]?.to ?? 0;
  return { from: magic, to: magic, insert: ` -m ${model}` };
}

/** Give a value as the option line reads it. */
export function written(value: string): string {
  if (/^[\w./:@+-]+$/.test(value) && !value.includes('->')) {
    return value;
  }
  return value.includes('"') ? `'${value}'` : `"${value}"`;
}

function lineOf(source: string): { from: number; to: number; text: string } | null {
  return magicLine(Text.of(source.split('\n')));
}
