/** The plugin: what it needs of JupyterLab, and one call for each feature. */

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

import { addCodeButtons } from '../answer/codeButtons';
import { addCellCommands } from '../answer/cellCommands';
import { cellModels } from '../prompt/defaultModel';
import { Current } from '../status/currentNotebook';
import { addPanel, openChooser } from '../status/notebookCommands';
import { linkOf } from '../kernel/links';
import { addMarks } from '../answer/warnings';
import { addOrder } from '../kernel/cellOrder';
import { addPromptEditing } from '../prompt/promptEditing';
import { settings } from './settings';
import { addStatusItem } from '../status/statusBar';
import { addStopButtons } from '../answer/stopButton';
import { addStyle } from './style';

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'cc-jupyter:plugin',
  description: 'Prompt cells that look like prompts, and what goes with them.',
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
    addPromptEditing(extensions, languages, cellModels(notebooks, linkOf));
    const current = new Current(notebooks);
    addPanel(app, palette, restorer, current);
    addStatusItem(app, statusBar, current, ({ button }) => void openChooser(current, button));
    addStopButtons(notebooks, linkOf);
    addCellCommands(app, palette, notebooks, linkOf);
    addMarks(notebooks, linkOf);
    addCodeButtons(notebooks);
    addOrder(notebooks, linkOf);
    void settings.follow(registry);
  }
};

export default plugin;
