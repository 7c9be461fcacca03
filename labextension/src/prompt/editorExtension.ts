/**
 * Prompt cells are edited as Markdown, from the letter on that makes them prompts.
 *
 * CodeMirror takes the first value of its `language` facet, so a language of higher precedence in a
 * compartment stands before the notebook's own one. The cell's MIME type is not touched: kernel,
 * completer and LSP still see Python, and a cell that is no prompt gets nothing at all.
 */

import type { Language } from '@codemirror/language';
import { Compartment, EditorState, type Extension, Prec, Text } from '@codemirror/state';
import { EditorView, ViewPlugin } from '@codemirror/view';

import { type IModelSource, promptDecorations } from './decorations';
import { magicLine } from './prompts';

/** A language that is fetched when the first prompt needs it, once for all editors. */
export interface ILazyLanguage {
  /** The language, or `null` while it is not there. */
  readonly loaded: Language | null;
  load(): Promise<Language>;
}

const NO_PROMPT: Extension = [];

/**
 * Give the extension for the editor of a code cell.
 *
 * @param text - what the cell holds at first
 * @param language - the language of prompts
 * @param source - the model of cells that name none
 */
export function promptEditing(
  text: string,
  language: ILazyLanguage,
  source: IModelSource
): Extension {
  const slot = new Compartment();

  const inPrompt = (): Extension => [
    // the language alone: Markdown's key map and completions stay out
    language.loaded ? Prec.highest(language.loaded.extension) : loading,
    EditorView.lineWrapping, // prose, as in Markdown cells
    EditorView.contentAttributes.of({ spellcheck: 'true' }),
    EditorView.editorAttributes.of({ class: 'cc-prompt' }),
    promptDecorations(source)
  ];

  const loading = ViewPlugin.define(view => {
    let alive = true;
    void language.load().then(() => {
      if (alive) {
        view.dispatch({ effects: slot.reconfigure(inPrompt()) });
      }
    });
    return { destroy: () => (alive = false) };
  });

  // in the same transaction as the text, so nothing flickers
  const follow = EditorState.transactionExtender.of(({ docChanged, newDoc, startState }) => {
    const was = slot.get(startState) !== NO_PROMPT;
    const is = docChanged ? magicLine(newDoc) !== null : was;
    return was === is ? null : { effects: slot.reconfigure(is ? inPrompt() : NO_PROMPT) };
  });

  return [slot.of(magicLine(Text.of(text.split('\n'))) ? inPrompt() : NO_PROMPT), follow];
}
