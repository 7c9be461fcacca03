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

import { addCodeButtons } from './answers';
import { addCellCommands } from './cellCommands';
import { cellModels } from './cellModels';
import { Current } from './current';
import { addPanel, openChooser } from './currentCommands';
import { linkOf } from './links';
import { addMarks } from './marks';
import { addOrder } from './order';
import { addPromptEditing } from './promptCells';
import { settings } from './settings';
import { addStatusItem } from './statusBar';
import { addStopButtons } from './stop';
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
