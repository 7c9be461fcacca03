/** Registers the editor extension for prompts, and loads their language. */

import type { ICellModel } from '@jupyterlab/cells';
import {
  EditorExtensionRegistry,
  type IEditorExtensionRegistry,
  type IEditorLanguageRegistry
} from '@jupyterlab/codemirror';
import type { Language } from '@codemirror/language';

import type { IDefaultModel } from './decorations';
import { type ILazyLanguage, promptExtension } from './editorExtension';
import type { IGridCosts } from './gridCosts';
import { promptLanguage } from './promptLanguage';

/** JupyterLab's name for the language of its Markdown cells. */
const MARKDOWN = 'ipythongfm';

/**
 * Register the extension; editors created earlier do not get it.
 *
 * @param modelOf - returns the default model of a cell
 * @param costsOf - returns the estimated costs of a cell
 */
export function addPromptEditing(
  extensions: IEditorExtensionRegistry,
  languages: IEditorLanguageRegistry,
  modelOf: (cell: Partial<ICellModel>) => IDefaultModel,
  costsOf: (cell: Partial<ICellModel>) => IGridCosts
): void {
  const language = new PromptLanguageLoader(languages);
  extensions.addExtension({
    name: 'cc-jupyter:prompts',
    factory: ({ model }) => {
      // the MIME type is not Python yet while the editor is being created
      if ((model as Partial<ICellModel>).type !== 'code') {
        return null;
      }
      const text = model.sharedModel.getSource();
      const cell = model as Partial<ICellModel>;
      return EditorExtensionRegistry.createImmutableExtension(
        promptExtension(text, language, modelOf(cell), costsOf(cell))
      );
    }
  });
}

class PromptLanguageLoader implements ILazyLanguage {
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
      throw new Error(`JupyterLab does not have the language ${MARKDOWN}.`);
    }
    this.loaded = promptLanguage(markdown.support.language);
    return this.loaded;
  }
}
