/** The side panel and the commands for the current notebook: choose its model, show the panel. */

import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';

import { CATEGORY, COMMANDS } from '../app/commands';
import { notifyError } from '../app/notify';
import { chooseModel } from '../models/chooser';
import { PANEL_ID, SidePanel } from '../panel/panel';
import type { CurrentNotebook } from './currentNotebook';

/** Add the side panel and the commands. */
export function addPanel(
  { commands, shell }: JupyterFrontEnd,
  palette: ICommandPalette | null,
  restorer: ILayoutRestorer | null,
  current: CurrentNotebook
): void {
  const panel = new SidePanel(current);
  shell.add(panel, 'right', { rank: 850 });
  restorer?.add(panel, PANEL_ID); // opens it again after a reload
  commands.addCommand(COMMANDS.showPanel, {
    label: 'Show Models, Conversations and Usage',
    execute: () => {
      shell.activateById(PANEL_ID);
    }
  });
  commands.addCommand(COMMANDS.chooseModel, {
    label: 'Choose Notebook Model…',
    isEnabled: () => current.host !== null,
    execute: () => openChooser(current, null)
  });
  current.changed.connect(() => {
    commands.notifyCommandChanged(COMMANDS.chooseModel);
  });
  for (const command of [COMMANDS.chooseModel, COMMANDS.showPanel]) {
    palette?.addItem({ command, category: CATEGORY });
  }
}

/** Let the user choose the model of cells without `-m`. */
export async function openChooser(
  { host }: CurrentNotebook,
  anchor: Element | null
): Promise<void> {
  if (!host) {
    return;
  }
  const model = await chooseModel({
    title: 'Model of this notebook',
    load: () => host.request('list_models', {}),
    anchor
  });
  if (model !== null) {
    try {
      await host.request('set_model', { model, save: false });
    } catch (error) {
      notifyError(error);
    }
  }
}
