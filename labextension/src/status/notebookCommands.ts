/** The commands about the current notebook as a whole: its model, and the panel. */

import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { type ICommandPalette, Notification } from '@jupyterlab/apputils';

import { chooseModel } from '../models/chooser';
import { CATEGORY, COMMANDS } from '../app/commands';
import type { Current } from './currentNotebook';
import { words } from '../app/dom';
import { PANEL_ID, SidePanel } from '../panel/panel';
import type { IModels } from '../kernel/protocol';

/** Add the side panel and the commands. */
export function addPanel(
  { commands, shell }: JupyterFrontEnd,
  palette: ICommandPalette | null,
  restorer: ILayoutRestorer | null,
  current: Current
): void {
  const panel = new SidePanel(current);
  shell.add(panel, 'right', { rank: 850 });
  restorer?.add(panel, PANEL_ID); // open again after a reload, where it was open
  commands.addCommand(COMMANDS.showPanel, {
    label: 'Show Models, Conversations and Usage',
    execute: () => {
      shell.activateById(PANEL_ID);
    }
  });
  commands.addCommand(COMMANDS.chooseModel, {
    label: 'Choose Model of Notebook…',
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

/** Let the user choose the model that cells without `-m` ask. */
export async function openChooser({ host }: Current, anchor: Element | null): Promise<void> {
  if (!host) {
    return;
  }
  const load = (): Promise<IModels> => host.ask('list_models', {});
  const model = await chooseModel({ title: 'Model of this notebook', load, anchor });
  if (model !== null) {
    try {
      await host.ask('set_model', { model, save: false });
    } catch (error) {
      Notification.error(words(error));
    }
  }
}
