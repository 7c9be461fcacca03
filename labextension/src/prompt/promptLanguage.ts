/**
 * The language of a prompt: JupyterLab's Markdown, except for the option line and `{{ }}`.
 *
 * Parsed as Markdown, an option line above a line of dashes would be a heading, and the asterisks
 * of `{{ 2*a*b }}` would be emphasis. The Markdown parser is JupyterLab's own, not bundled.
 */

import { Language } from '@codemirror/language';
import type { BlockContext, InlineContext, MarkdownConfig, MarkdownParser } from '@lezer/markdown';

import { expressionEnd } from './expressions';
import { isMagicLine } from './optionLine';

const BRACE = '{'.charCodeAt(0);

const PROMPT: MarkdownConfig = {
  defineNodes: [{ name: 'OptionLine', block: true }, { name: 'Expression' }],
  parseBlock: [
    {
      name: 'OptionLine',
      before: 'IndentedCode',
      parse: (block: BlockContext, { text }) => {
        if (!isMagicLine(text)) {
          return false;
        }
        const start = block.lineStart;
        block.nextLine();
        block.addElement(block.elt('OptionLine', start, start + text.length));
        return true;
      }
    }
  ],
  parseInline: [
    {
      name: 'Expression',
      before: 'Escape',
      parse: (inline: InlineContext, next: number, at: number) => {
        if (next !== BRACE || inline.char(at + 1) !== BRACE) {
          return -1;
        }
        const end = expressionEnd(inline.slice(at, inline.end), 0);
        return end < 0 ? -1 : inline.addElement(inline.elt('Expression', at, at + end));
      }
    }
  ]
};

/** Return the language of prompts, based on JupyterLab's Markdown. */
export function promptLanguage(markdown: Language): Language {
  const parser = (markdown.parser as MarkdownParser).configure(PROMPT);
  return new Language(markdown.data, parser, [], 'prompt');
}
