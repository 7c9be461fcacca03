/** Edits of a cell's source: turn it into a prompt and back, and set the model of a prompt. */

import { Text } from '@codemirror/state';

import { magicLine, readOptionLine } from './optionLine';

/** Replaces a range of the source. */
export interface IEdit {
  readonly from: number;
  readonly to: number;
  readonly insert: string;
}

const MAGIC = '%%cmd';

/** Return whether a cell with this source is a prompt. */
export function isPromptSource(source: string): boolean {
  return lineOf(source) !== null;
}

/** Return a prompt's option line, from `%%cmd` on; empty if it is not a prompt. */
export function optionLineOf(source: string): string {
  return lineOf(source)?.text.trim() ?? '';
}

/**
 * Return the edit that turns a source into a prompt, or a prompt into its text.
 *
 * @param line - the option line of a new prompt; empty for `%%cmd`
 */
export function toggleEdit(source: string, line: string): IEdit {
  const magic = lineOf(source);
  return magic
    ? { from: magic.from, to: Math.min(magic.to + 1, source.length), insert: '' }
    : { from: 0, to: 0, insert: `${line || MAGIC}\n` };
}

/** Return the edit that sets `-m` of a prompt; `null` if the source is not a prompt. */
export function modelEdit(source: string, model: string): IEdit | null {
  const line = lineOf(source);
  if (!line) {
    return null;
  }
  const { from, to, insert } = optionEdit(line.text, quoted(model));
  return { from: line.from + from, to: line.from + to, insert };
}

/** Return the source after an edit. */
export function applyEdit(source: string, { from, to, insert }: IEdit): string {
  return source.slice(0, from) + insert + source.slice(to);
}

function optionEdit(line: string, model: string): IEdit {
  const { spans } = readOptionLine(line);
  for (const [index, { from, to }] of spans.entries()) {
    const text = line.slice(from, to);
    const name = /^(?:-m|--model)(?==|$)/.exec(text)?.[0];
    if (name === undefined) {
      continue;
    }
    const next = spans[index + 1];
    if (name !== text) {
      return { from: from + name.length + 1, to, insert: model };
    }
    return next?.kind === 'value'
      ? { from: next.from, to: next.to, insert: model }
      : { from: to, to, insert: ` ${model}` };
  }
  const magic = spans[0]?.to ?? 0;
  return { from: magic, to: magic, insert: ` -m ${model}` };
}

/** Return a value in the syntax of the option line, in quotes if it needs them. */
export function quoted(value: string): string {
  if (/^[\w./:@+-]+$/.test(value) && !value.includes('->')) {
    return value;
  }
  return value.includes('"') ? `'${value}'` : `"${value}"`;
}

function lineOf(source: string): { from: number; to: number; text: string } | null {
  return magicLine(Text.of(source.split('\n')));
}
