/**
 * Where the `{{ expression }}` of a prompt stand.
 *
 * The kernel (cc_jupyter/template.py) takes the first `}}` before which Python compiles. There is
 * no Python here, so strings and brackets are counted, which gives the same place for all that
 * compiles; test/cases.json holds both sides to it.
 */

/** Counted from the start of the text, braces included. */
export interface IExpression {
  readonly from: number;
  readonly to: number;
}

const TOKEN =
  /("""(?:[^"\\]|\\[^]|"(?!""))*"""|'''(?:[^'\\]|\\[^]|'(?!''))*'''|"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*')|(["'])|(#[^\n]*)|([([{])|([)\]}])/g;
const PAIRS: Readonly<Record<string, string>> = { '(': ')', '[': ']', '{': '}' };

/** A longer one is not looked for: many `{{` that nothing closes must not cost their square. */
const MOST_CHARACTERS = 10_000;

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

/** Give the place behind the `}}` that closes the braces at `opening`, or -1. */
export function expressionEnd(text: string, opening: number): number {
  const code = text.slice(opening + 2, opening + 2 + MOST_CHARACTERS);
  const counted = closing(code);
  // an expression that is wrong, or counts differently, is still meant as one
  const end = counted >= 0 ? counted : code.indexOf('}}');
  return end >= 0 ? opening + 2 + end + 2 : -1;
}

function closing(code: string): number {
  const open: (string | undefined)[] = [];
  for (const token of code.matchAll(TOKEN)) {
    const [, , endless, comment, opens, closes] = token;
    if (opens !== undefined) {
      open.push(PAIRS[opens]);
    } else if (closes !== undefined && open.length === 0) {
      return code.startsWith('}}', token.index) ? token.index : -1;
    } else if (endless !== undefined || (closes !== undefined && open.pop() !== closes)) {
      return -1;
    } else if (comment?.includes('}}') && open.length === 0) {
      return token.index + comment.indexOf('}}');
    }
  }
  return -1;
}
