/** Gives the editors of code cells what makes prompts look like prompts. */

import type { ICellModel } from '@jupyterlab/cells';
import {
  EditorExtensionRegistry,
  type IEditorExtensionRegistry,
  type IEditorLanguageRegistry
} from '@jupyterlab/codemirror';
import type { Language } from '@codemirror/language';

import type { IModelSource } from './decorations';
import { type ILazyLanguage, promptEditing } from './editorExtension';
import { promptLanguage } from './promptLanguage';

/** JupyterLab's own name for the Markdown of its Markdown cells. */
const MARKDOWN = 'ipythongfm';

/** Nobody says which model it is; then only what a cell names itself is shown. */
const UNKNOWN_MODEL: IModelSource = { current: () => '', onChange: () => () => undefined };

/**
 * Register it; editors that were made before do not have it.
 *
 * @param modelOf - gives the source of the model for a cell
 */
export function addPromptEditing(
  extensions: IEditorExtensionRegistry,
  languages: IEditorLanguageRegistry,
  modelOf: (cell: Partial<ICellModel>) => IModelSource = () => UNKNOWN_MODEL
): void {
  const language = new MarkdownOfPrompts(languages);
  extensions.addExtension({
    name: 'cc-jupyter:prompts',
    factory: ({ model }) => {
      // the MIME type is not Python yet while the editor is being made
      if ((model as Partial<ICellModel>).type !== 'code') {
        return null;
      }
      const text = model.sharedModel.getSource();
      return EditorExtensionRegistry.createImmutableExtension(
        promptEditing(text, language, modelOf(model as Partial<ICellModel>))
      );
    }
  });
}

class MarkdownOfPrompts implements ILazyLanguage {
  loaded: Language | null = null;
  private loading: Promise<Language> | null = null;

  constructor(private readonly languages: IEditorLanguageRegistry) {}

  load(): Promise<Language> {
    this.loading ??= this.fetch();
    return this.loading;
  }

  private async fetch(): Promise<Language> {
    const markdown = await this.languages.getLanguage(MARKDOWN);
    if (!markdown?.support) {
      throw new Error(`JupyterLab has no language ${MARKDOWN}`);
    }
    this.loaded = promptLanguage(markdown.support.language);
    return this.loaded;
  }
}
