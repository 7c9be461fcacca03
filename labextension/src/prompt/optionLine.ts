/**
 * Which cells are prompts, and what stands on their option line.
 *
 * The kernel reads the line (cc_jupyter/optionline.py) and says what is wrong with it; here it is
 * only coloured, so what is wrong or not yet finished is left as it stands. test/cases.json holds
 * both sides to the same words.
 */

export type Kind = 'magic' | 'option' | 'value' | 'capture';

/** A piece of the line, counted from the start of the line. */
export interface ISpan {
  readonly kind: Kind;
  readonly from: number;
  readonly to: number;
}

export interface IOptionLine {
  readonly spans: readonly ISpan[];
  /** What `-m` names, as typed without quotes; empty: it is not given. */
  readonly model: string;
  /** Whether `{{ }}` are text. */
  readonly raw: boolean;
}

interface IWord {
  readonly from: number;
  readonly to: number;
}

const MAGIC = /^[ \t]*%%cmd(?=[ \t]|\s*$)/;
const ARROW = '->';
const CLOSERS: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

/** Tell whether this is the first line of a prompt. */
export function isMagicLine(line: string): boolean {
  return MAGIC.test(line);
}

/** Read a line for which `isMagicLine` holds. */
export function readOptionLine(line: string): IOptionLine {
  const magic = MAGIC.exec(line)?.[0].length ?? 0;
  const spans: ISpan[] = [{ kind: 'magic', from: line.indexOf('%'), to: magic }];
  let model = '';
  let raw = false;
  let before = '';
  for (const word of words(line, magic)) {
    const text = line.slice(word.from, word.to);
    if (text === ARROW) {
      spans.push({ kind: 'capture', from: word.from, to: line.trimEnd().length });
      break;
    }
    const isOption = /^--?[a-z]/i.test(text);
    spans.push({ kind: isOption ? 'option' : 'value', from: word.from, to: word.to });
    const named = /^(?:-m|--model)=(.*)$/.exec(text)?.[1];
    if (named !== undefined) {
      model = unquoted(named);
    } else if (!isOption && (before === '-m' || before === '--model')) {
      model = unquoted(text);
    }
    raw ||= text === '--raw';
    before = text;
  }
  return { spans, model, raw };
}

/** Give the words from a place to the end; a quote or bracket never closed takes all that follows. */
export function words(line: string, start: number): IWord[] {
  const found: IWord[] = [];
  for (let at = skipBlanks(line, start); at < line.length; at = skipBlanks(line, at)) {
    const to = line.startsWith(ARROW, at) ? at + ARROW.length : wordEnd(line, at);
    found.push({ from: at, to });
    at = to;
  }
  return found;
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

function unquoted(text: string): string {
  const quote = text.charAt(0);
  const encloses =
    quote !== '' && `"'`.includes(quote) && text.indexOf(quote, 1) === text.length - 1;
  return encloses && text.length > 1 ? text.slice(1, -1) : text;
}
