/** Edits of a cell's source: turn it into a prompt and back, and set the model of a prompt. */

import { Text } from '@codemirror/state';

import { magicLine, readOptionLine, unquote, words } from './optionLine';

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

/**
 * Return the edit that sets `-m` of a prompt; `null` if the source is not a prompt.
 *
 * A prompt that compares several models compares one more.
 */
export function modelEdit(source: string, model: string): IEdit | null {
  const line = lineOf(source);
  if (!line) {
    return null;
  }
  const { models } = readOptionLine(line.text);
  const { from, to, insert } =
    models.length > 1 ? listEdit(line.text, models, model) : optionEdit(line.text, quoted(model));
  return { from: line.from + from, to: line.from + to, insert };
}

/**
 * Return the edit that makes a prompt compare these models; `null` if the source is not a prompt.
 *
 * They replace every `-m`.
 */
export function modelsEdit(source: string, models: readonly string[]): IEdit | null {
  const line = lineOf(source);
  if (!line) {
    return null;
  }
  let text = line.text;
  for (const { from, to } of modelValues(text).slice(1).reverse()) {
    const before = text.slice(0, from).replace(/[ \t]+(?:-m|--model)[ \t=]*$/, '');
    text = before + text.slice(to);
  }
  const insert = applyEdit(text, optionEdit(text, modelList(models)));
  return { from: line.from, to: line.to, insert };
}

/** Return the source of a new prompt that compares models. */
export function comparison(models: readonly string[]): string {
  return `${MAGIC} -m ${modelList(models)}\n`;
}

/** Return the option line, without `%%cmd`, and the text of a prompt; `null` if it is none. */
export function promptParts(source: string): { line: string; text: string } | null {
  const line = lineOf(source);
  return (
    line && {
      line: line.text.trim().slice(MAGIC.length).trim(),
      text: source.slice(line.to + 1)
    }
  );
}

function modelList(models: readonly string[]): string {
  return models.every(model => quoted(model) === model)
    ? models.join(',')
    : models.map(quoted).join(' -m ');
}

/** Return the source after an edit. */
export function applyEdit(source: string, { from, to, insert }: IEdit): string {
  return source.slice(0, from) + insert + source.slice(to);
}

/** Add a model to the last list of models, unless one has it. */
function listEdit(line: string, models: readonly string[], model: string): IEdit {
  const { from, to } = modelValues(line).at(-1) ?? { from: 0, to: 0 };
  const text = line.slice(from, to);
  if (models.includes(model)) {
    return { from: to, to, insert: '' };
  }
  const isQuoted = unquote(text) !== text;
  if (!isQuoted && quoted(model) !== model) {
    return { from: to, to, insert: ` -m ${quoted(model)}` };
  }
  const end = isQuoted ? to - 1 : to;
  return { from: end, to: end, insert: line[end - 1] === ',' ? model : `,${model}` };
}

function optionEdit(line: string, model: string): IEdit {
  const [first] = modelValues(line);
  if (first) {
    const gap = first.from === first.to && line[first.from - 1] !== '=' ? ' ' : '';
    return { ...first, insert: gap + model };
  }
  const magic = readOptionLine(line).spans[0]?.to ?? 0;
  return { from: magic, to: magic, insert: ` -m ${model}` };
}

/** Return where each `-m` has its value; an empty range if it has none. */
function modelValues(line: string): { from: number; to: number }[] {
  const found: { from: number; to: number }[] = [];
  const all = words(line, readOptionLine(line).spans[0]?.to ?? 0);
  for (const [index, { from, to }] of all.entries()) {
    const text = line.slice(from, to);
    if (text === '->') {
      break;
    }
    const name = /^(?:-m|--model)(?==|$)/.exec(text)?.[0];
    if (name === undefined) {
      continue;
    }
    const next = all[index + 1];
    if (name !== text) {
      found.push({ from: from + name.length + 1, to });
    } else if (next && !/^-[->a-z]/i.test(line.slice(next.from, next.to))) {
      found.push(next);
    } else {
      found.push({ from: to, to });
    }
  }
  return found;
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

/**
 * Return the edit that replaces the text of a prompt, below its option line; `null` if the source
 * is not a prompt.
 */
export function textEdit(source: string, text: string): IEdit | null {
  const line = lineOf(source);
  if (!line) {
    return null;
  }
  const isRaw = readOptionLine(line.text).raw;
  const option = text.includes('{{') && !isRaw ? ' --raw' : '';
  return { from: line.to, to: source.length, insert: `${option}\n${text}` };
}
