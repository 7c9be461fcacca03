/**
 * The editor extension that edits prompts as Markdown, from the keystroke that makes them prompts.
 *
 * CodeMirror uses the first value of its `language` facet, so a language of higher precedence in a
 * compartment overrides the notebook's own. The cell's MIME type does not change: the kernel, the
 * completer and LSP still see Python. Other cells get no extension.
 */

import type { Language } from '@codemirror/language';
import { Compartment, EditorState, type Extension, Prec, Text } from '@codemirror/state';
import { EditorView, ViewPlugin } from '@codemirror/view';

import { type IDefaultModel, promptDecorations } from './decorations';
import type { IGridCosts } from './gridCosts';
import { magicLine } from './optionLine';

/** A language that is loaded when the first prompt needs it, once for all editors. */
export interface ILazyLanguage {
  /** The language; `null` until it is loaded. */
  readonly loaded: Language | null;
  load(): Promise<Language>;
}

const INACTIVE: Extension = [];

/**
 * Return the extension for the editor of a code cell.
 *
 * @param text - the initial text of the cell
 * @param language - the language of prompts
 * @param defaultModel - the model of prompts without `-m`
 * @param costs - the estimated costs of the cell if it is a grid
 */
export function promptExtension(
  text: string,
  language: ILazyLanguage,
  defaultModel: IDefaultModel,
  costs: IGridCosts
): Extension {
  const compartment = new Compartment();

  const inPrompt = (): Extension => [
    // only the language, without Markdown's key map and completions
    language.loaded ? Prec.highest(language.loaded.extension) : loading,
    EditorView.lineWrapping, // as in Markdown cells
    EditorView.contentAttributes.of({ spellcheck: 'true', 'aria-label': 'Prompt' }),
    EditorView.editorAttributes.of({ class: 'cc-prompt' }),
    promptDecorations(defaultModel, costs)
  ];

  const loading = ViewPlugin.define(view => {
    let isAlive = true;
    void language.load().then(() => {
      if (isAlive) {
        view.dispatch({ effects: compartment.reconfigure(inPrompt()) });
      }
    });
    return { destroy: () => (isAlive = false) };
  });

  // in the same transaction as the change of the text, to avoid flicker
  const follow = EditorState.transactionExtender.of(({ docChanged, newDoc, startState }) => {
    const was = compartment.get(startState) !== INACTIVE;
    const is = docChanged ? magicLine(newDoc) !== null : was;
    return was === is ? null : { effects: compartment.reconfigure(is ? inPrompt() : INACTIVE) };
  });

  return [compartment.of(magicLine(Text.of(text.split('\n'))) ? inPrompt() : INACTIVE), follow];
}
