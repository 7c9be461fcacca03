/**
 * Finds prompts and reads their option line, the first line with `%%cmd`.
 *
 * The kernel reads the line too (cc_jupyter/prompt/options.py) and reports its errors; here it is
 * only coloured, so a line that is wrong or incomplete is accepted. test/cases.json holds both
 * sides to the same results.
 */

import type { Line, Text } from '@codemirror/state';

export type Kind = 'magic' | 'prompt' | 'option' | 'value' | 'expression' | 'capture';

/** A range of text, counted from the start of the line. */
interface IRange {
  readonly from: number;
  readonly to: number;
}

/** A part of the line. */
export interface ISpan extends IRange {
  readonly kind: Kind;
}

export interface IOptionLine {
  readonly spans: readonly ISpan[];
  /** The values of `-m`, as typed but without quotes. */
  readonly models: readonly string[];
  /** The tools that run without asking. */
  readonly allowed: readonly string[];
  /** Whether `{{ }}` are plain text. */
  readonly raw: boolean;
  /** What it sends if it is a grid; `null` for a single answer, and for a wrong line. */
  readonly grid: IGridSize | null;
}

/** How much a grid sends. */
export interface IGridSize {
  /** The number of requests, with one value of each name of `--vary`. */
  readonly requests: number;
  /** The names of `--vary`. */
  readonly varied: readonly string[];
}

const MAGIC = /^[ \t]*%%cmd(?=[ \t]|\s*$)/;
const ARROW = '->';
const MODEL = /^(?:-m|--model)$/;
const ALLOW = '--allow';
/** The options whose comma-separated list makes a grid. */
const LISTS = /^(?:-m|--model|-t|--temperature|--top-p|--max-tokens|--effort)$/;
/** The options without a value. */
const FLAGS =
  /^(?:-h|--(?:new|once|blind|fail-on-check|until-pass|live-tools|fresh|raw|dry-run|quiet|zdr|help))$/;
/** The options whose value is Python, for `--vary` after a name. */
const EXPRESSIONS = /^--(?:check|vary|tools)$/;
/** Short and long names of the options that make a grid. */
const LONG_NAMES: Readonly<Record<string, string>> = {
  '-m': '--model',
  '-t': '--temperature',
  '-s': '--system',
  '-n': '--samples'
};
const CLOSERS: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

/** Return whether a line is the option line of a prompt. */
export function isMagicLine(line: string): boolean {
  return MAGIC.test(line);
}

/**
 * Return the option line if the text is a prompt: its first line that is not blank.
 *
 * It may be indented if the whole cell is, as in the kernel (cc_jupyter/magics/input_transforms.py).
 */
export function magicLine(doc: Text): Line | null {
  for (let number = 1; number <= doc.lines; number += 1) {
    const line = doc.line(number);
    if (line.text.trim() !== '') {
      return isMagicLine(line.text) && isIndented(doc, number, line.text) ? line : null;
    }
  }
  return null;
}

function isIndented(doc: Text, first: number, text: string): boolean {
  const indent = text.slice(0, text.indexOf('%'));
  if (indent === '') {
    return true;
  }
  for (let number = first + 1; number <= doc.lines; number += 1) {
    const line = doc.line(number).text;
    if (line.trim() !== '' && !line.startsWith(indent)) {
      return false;
    }
  }
  return true;
}

/** Parse a line for which `isMagicLine` is true. */
export function readOptionLine(line: string): IOptionLine {
  const magic = MAGIC.exec(line)?.[0].length ?? 0;
  const spans: ISpan[] = [{ kind: 'magic', from: line.indexOf('%'), to: magic }];
  const models: string[] = [];
  const allowed: string[] = [];
  const size = new GridSize();
  let raw = false;
  let option = '';
  for (const { from, to } of words(line, magic)) {
    const text = line.slice(from, to);
    if (text === ARROW) {
      spans.push({ kind: 'capture', from, to: line.trimEnd().length });
      break;
    }
    if (text.startsWith('@') && (option === '' || FLAGS.test(option))) {
      spans.push({ kind: 'prompt', from, to });
      continue;
    }
    const isOption = /^--?[a-z]/i.test(text);
    const equals = isOption ? text.indexOf('=') : -1;
    if (isOption) {
      option = equals < 0 ? text : text.slice(0, equals);
      spans.push({ kind: 'option', from, to: equals < 0 ? to : from + equals + 1 });
      raw ||= text === '--raw';
      size.isSingle ||= text === '--until-pass';
    }
    const start = isOption ? from + equals + 1 : from;
    if (!isOption || equals >= 0) {
      spans.push(...valueSpans(option, line.slice(start, to), start));
      if (MODEL.test(option)) {
        models.push(...listed(line.slice(start, to)));
      }
      if (option === ALLOW) {
        allowed.push(...listed(line.slice(start, to)));
      }
      size.add(option, unquote(line.slice(start, to)));
      option = '';
    }
  }
  return { spans, models, allowed, raw, grid: size.result };
}

/** Return the values of a list that is separated by commas. */
function listed(text: string): string[] {
  return unquote(text)
    .split(',')
    .map(each => each.trim())
    .filter(Boolean);
}

/** Counts the combinations of the options of a line. */
class GridSize {
  /** Whether its list of models is an order. */
  isSingle = false;
  private readonly values = new Map<string, string[]>();

  add(option: string, value: string): void {
    const name = LONG_NAMES[option] ?? option;
    const isList = LISTS.test(option);
    if (isList || name === '--system' || name === '--samples' || name === '--vary') {
      const values = isList ? value.split(',') : [value];
      this.values.set(name, [...(this.values.get(name) ?? []), ...values]);
    }
  }

  get result(): IGridSize | null {
    const {
      '--samples': samples,
      '--vary': varied = [],
      ...lists
    } = Object.fromEntries(this.values) as Partial<Record<string, string[]>>;
    const axes = Object.values(lists).map((values = []) => values);
    const isGrid =
      samples !== undefined || varied.length > 0 || axes.some(({ length }) => length > 1);
    const isWrong =
      axes.some(values => values.length > 1 && hasFault(values)) ||
      (samples !== undefined && !/^[1-9]\d*$/.test(samples.join(' '))) ||
      varied.some(each => !/^\w+=./.test(each));
    if (!isGrid || isWrong || this.isSingle) {
      return null;
    }
    const requests = axes.reduce((product, { length }) => product * length, Number(samples ?? 1));
    return { requests, varied: varied.map(each => each.slice(0, each.indexOf('='))) };
  }
}

/** Return whether a value of a list is missing or there twice. */
function hasFault(values: readonly string[]): boolean {
  return new Set(values).size < values.length || values.some(value => value.trim() === '');
}

/** Return the spans of a value: each value of a list, and Python, by themselves. */
function valueSpans(option: string, text: string, from: number): ISpan[] {
  if (EXPRESSIONS.test(option)) {
    const name = option === '--vary' ? (/^["']?\w+=/.exec(text)?.[0].length ?? 0) : 0;
    const parts: ISpan[] = [
      { kind: 'value', from, to: from + name },
      { kind: 'expression', from: from + name, to: from + text.length }
    ];
    return parts.filter(each => each.to > each.from);
  }
  if (!(LISTS.test(option) || option === ALLOW) || unquote(text) !== text) {
    return text === '' ? [] : [{ kind: 'value', from, to: from + text.length }];
  }
  return [...text.matchAll(/[^,]+/g)].map(({ index, 0: each }) => ({
    kind: 'value',
    from: from + index,
    to: from + index + each.length
  }));
}

/** Split the line into words from `start` on; an unclosed quote or bracket takes the rest. */
export function words(line: string, start: number): IRange[] {
  const ranges: IRange[] = [];
  for (let at = skipBlanks(line, start); at < line.length; at = skipBlanks(line, at)) {
    const to = line.startsWith(ARROW, at) ? at + ARROW.length : wordEnd(line, at);
    ranges.push({ from: at, to });
    at = to;
  }
  return ranges;
}

function skipBlanks(line: string, at: number): number {
  while (/\s/.test(line.charAt(at))) {
    at += 1;
  }
  return at;
}

function wordEnd(line: string, start: number): number {
  const open: (string | undefined)[] = [];
  let at = start;
  while (at < line.length && !line.startsWith(ARROW, at)) {
    const letter = line.charAt(at);
    if (`"'`.includes(letter) && (at === start || open.length > 0 || line[at - 1] === '=')) {
      at = closingQuote(line, at, open.length > 0);
    } else if (letter in CLOSERS) {
      open.push(CLOSERS[letter]);
    } else if (open.length > 0 && letter === open.at(-1)) {
      open.pop();
    } else if (open.length === 0 && /\s/.test(letter)) {
      break;
    }
    at += 1;
  }
  return Math.min(at, line.length);
}

function closingQuote(line: string, opening: number, inCode: boolean): number {
  let at = opening + 1;
  while (at < line.length && line[at] !== line[opening]) {
    at += inCode && line[at] === '\\' ? 2 : 1;
  }
  return at;
}

/** Return a word without the quotes around it. */
export function unquote(text: string): string {
  const quote = text.charAt(0);
  const isQuoted =
    quote !== '' && `"'`.includes(quote) && text.indexOf(quote, 1) === text.length - 1;
  return isQuoted && text.length > 1 ? text.slice(1, -1) : text;
}
