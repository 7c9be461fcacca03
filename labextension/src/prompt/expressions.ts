/**
 * Finds the `{{ expression }}` placeholders of a prompt.
 *
 * The kernel (cc_jupyter/prompt/template.py) ends an expression at the first `}}` before which the
 * text compiles as Python. There is no Python here, so strings and brackets are matched instead,
 * which finds the same end for everything that compiles; test/cases.json tests both sides.
 */

/** A range counted from the start of the text, braces included. */
export interface IExpression {
  readonly from: number;
  readonly to: number;
}

const TOKEN =
  /("""(?:[^"\\]|\\[^]|"(?!""))*"""|'''(?:[^'\\]|\\[^]|'(?!''))*'''|"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*')|(["'])|(#[^\n]*)|([([{])|([)\]}])/g;
const PAIRS: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

/** The length limit of an expression; without it, many unclosed `{{` would take quadratic time. */
const MAX_CHARACTERS = 10_000;

export function findExpressions(text: string): IExpression[] {
  const found: IExpression[] = [];
  let at = text.indexOf('{{');
  while (at >= 0) {
    const end = text[at - 1] === '\\' ? -1 : expressionEnd(text, at);
    if (end >= 0) {
      found.push({ from: at, to: end });
    }
    at = text.indexOf('{{', end >= 0 ? end : at + 2);
  }
  return found;
}

/** Return the index after the `}}` that closes the braces at `opening`, or -1. */
export function expressionEnd(text: string, opening: number): number {
  const code = text.slice(opening + 2, opening + 2 + MAX_CHARACTERS);
  const matched = closingBraces(code);
  // invalid Python, or brackets that do not match, is still meant as an expression
  const end = matched >= 0 ? matched : code.indexOf('}}');
  return end >= 0 ? opening + 2 + end + 2 : -1;
}

function closingBraces(code: string): number {
  const open: (string | undefined)[] = [];
  for (const token of code.matchAll(TOKEN)) {
    const [, , unclosedQuote, comment, opens, closes] = token;
    if (opens !== undefined) {
      open.push(PAIRS[opens]);
    } else if (closes !== undefined && open.length === 0) {
      return code.startsWith('}}', token.index) ? token.index : -1;
    } else if (unclosedQuote !== undefined || (closes !== undefined && open.pop() !== closes)) {
      return -1;
    } else if (comment?.includes('}}') && open.length === 0) {
      return token.index + comment.indexOf('}}');
    }
  }
  return -1;
}
