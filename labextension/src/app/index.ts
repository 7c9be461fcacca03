/** The plugin: the JupyterLab services it uses, and one call for each feature. */

import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { IEditorExtensionRegistry, IEditorLanguageRegistry } from '@jupyterlab/codemirror';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { IStatusBar } from '@jupyterlab/statusbar';

import { addCellCommands } from '../answer/cellCommands';
import { addCodeButtons } from '../answer/codeButtons';
import { addKeepButtons } from '../answer/keepButtons';
import { keepQuestions } from '../answer/openQuestion';
import { addRecovery } from '../answer/recovery';
import { addStopButtons } from '../answer/stopButton';
import { addWarnings } from '../answer/warnings';
import { addAutoload } from '../kernel/autoload';
import { syncCellOrder } from '../kernel/cellOrder';
import { defaultModels } from '../prompt/defaultModel';
import { gridCosts } from '../prompt/gridCosts';
import { addPromptEditing } from '../prompt/promptEditing';
import { CurrentNotebook } from '../status/currentNotebook';
import { addPanel, openChooser } from '../status/notebookCommands';
import { addStatusItem } from '../status/statusBar';
import { settings } from './settings';
import { addStyle } from './style';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'cc-jupyter:plugin',
  description: 'Edits %%cmd cells as prompts and shows their status, conversations and usage.',
  autoStart: true,
  requires: [IEditorExtensionRegistry, IEditorLanguageRegistry, INotebookTracker],
  optional: [ICommandPalette, IStatusBar, ISettingRegistry, ILayoutRestorer],
  activate: (
    app: JupyterFrontEnd,
    extensions: IEditorExtensionRegistry,
    languages: IEditorLanguageRegistry,
    notebooks: INotebookTracker,
    palette: ICommandPalette | null,
    statusBar: IStatusBar | null,
    registry: ISettingRegistry | null,
    restorer: ILayoutRestorer | null
  ) => {
    addStyle();
    addPromptEditing(extensions, languages, defaultModels(notebooks), gridCosts(notebooks));
    const current = new CurrentNotebook(notebooks);
    addPanel(app, palette, restorer, current);
    addStatusItem(app, statusBar, current, ({ button }) => void openChooser(current, button));
    addStopButtons(notebooks);
    addRecovery(notebooks);
    addCellCommands(app, palette, notebooks);
    addWarnings(notebooks);
    addCodeButtons(notebooks);
    addKeepButtons(notebooks);
    keepQuestions(notebooks);
    syncCellOrder(notebooks);
    addAutoload(notebooks);
    void settings.follow(registry);
  }
};

export default plugin;
