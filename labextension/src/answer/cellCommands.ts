/**
 * The commands for the active cell and their labels; the schema adds toolbar, context menu and
 * shortcuts.
 */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { INotebookTracker } from '@jupyterlab/notebook';
import {
  caretLeftIcon,
  caretRightIcon,
  copyIcon,
  type LabIcon,
  refreshIcon,
  stopIcon,
  undoIcon
} from '@jupyterlab/ui-components';

import { CATEGORY, COMMANDS } from '../app/commands';
import { continueIcon, insertCodeIcon, otherModelIcon, promptIcon } from '../app/icons';
import { notifyBriefly, notifyError } from '../app/notify';
import { chooseModel } from '../models/chooser';
import { ActiveCell, type IActiveCell } from './activeCell';
import { continueAnswer, copyAnswer, insertCode, runInModel, togglePrompt } from './cellActions';
import { refreshStale } from './refresh';
import { STOP_CAPTION } from './stopButton';
import { restoreShownPrompt, stepVersion } from './versions';

interface ICellCommand {
  readonly label: string;
  readonly caption: string;
  readonly icon: LabIcon;
  /** Whether the command is enabled for the cell; if not, toolbar and menu do not show it. */
  readonly isEnabled: (active: IActiveCell) => boolean;
  /** Whether toolbar and menu show it, if this is more restrictive. */
  readonly isShown?: (active: IActiveCell) => boolean;
  readonly execute: (active: IActiveCell) => Promise<void> | void;
}

const CELL_COMMANDS: Readonly<Record<string, ICellCommand>> = {
  [COMMANDS.togglePrompt]: {
    label: 'Toggle Prompt Cell',
    caption: 'Turn this cell into a prompt, or back',
    icon: promptIcon,
    isEnabled: ({ panel }) => panel.content.model?.readOnly === false,
    execute: ({ panel, cell }) => {
      togglePrompt(panel, cell);
    }
  },
  [COMMANDS.runInModel]: {
    label: 'Run with Another Model…',
    caption: 'Run this prompt with another model',
    icon: otherModelIcon,
    isEnabled: ({ isPrompt, link }) => isPrompt && link.state !== null,
    execute: runWithAnother
  },
  [COMMANDS.stop]: {
    label: 'Stop Answer',
    caption: STOP_CAPTION,
    icon: stopIcon,
    isEnabled: ({ running }) => running !== null,
    execute: ({ running, link }) => link.stop(running?.model.id ?? '')
  },
  [COMMANDS.previousVersion]: {
    label: 'Previous Answer Version',
    caption: 'Switch to the previous version of the answer',
    icon: caretLeftIcon,
    isEnabled: mayHaveVersions,
    isShown: hasVersions,
    execute: ({ panel, code, link }) => (code ? stepVersion(panel, code, link, -1) : undefined)
  },
  [COMMANDS.nextVersion]: {
    label: 'Next Answer Version',
    caption: 'Switch to the next version of the answer',
    icon: caretRightIcon,
    isEnabled: mayHaveVersions,
    isShown: hasVersions,
    execute: ({ panel, code, link }) => (code ? stepVersion(panel, code, link, 1) : undefined)
  },
  [COMMANDS.restorePrompt]: {
    label: 'Restore Prompt of Version',
    caption: 'Put the prompt of the shown version into the cell',
    icon: undoIcon,
    isEnabled: mayHaveVersions,
    execute: ({ code }) => {
      if (!code || !restoreShownPrompt(code)) {
        notifyBriefly('The shown version answers the prompt above it.');
      }
    }
  },
  [COMMANDS.copyAnswer]: {
    label: 'Copy Answer as Markdown',
    caption: 'Copy the answer as Markdown',
    icon: copyIcon,
    isEnabled: ({ hasAnswer }) => hasAnswer,
    execute: ({ panel, cell, link }) => copyAnswer(panel, cell, link)
  },
  [COMMANDS.insertCode]: {
    label: 'Insert Code from Answer Below',
    caption: 'Insert the code blocks of the answer as a cell below',
    icon: insertCodeIcon,
    isEnabled: ({ hasCode }) => hasCode,
    execute: ({ panel, cell, link }) => insertCode(panel, cell, link)
  },
  [COMMANDS.continueAnswer]: {
    label: 'Continue Answer',
    caption: 'Continue the answer where it was cut off',
    icon: continueIcon,
    isEnabled: ({ state, running }) => state?.cut === true && state.last && running === null,
    execute: ({ panel, code, state }) =>
      code && state ? continueAnswer(panel, code, state.thread) : undefined
  }
};

/** Add the commands, and list them in the palette. */
export function addCellCommands(
  { commands }: JupyterFrontEnd,
  palette: ICommandPalette | null,
  tracker: INotebookTracker
): void {
  const active = new ActiveCell(tracker);
  for (const [id, command] of Object.entries(CELL_COMMANDS)) {
    const { label, caption, icon, isEnabled, isShown = isEnabled, execute } = command;
    const holds = (condition: (cell: IActiveCell) => boolean): boolean => {
      const { current } = active;
      return current !== null && condition(current);
    };
    commands.addCommand(id, {
      label,
      caption,
      icon,
      isEnabled: () => holds(isEnabled),
      isVisible: ({ whereItFits }) => whereItFits !== true || holds(isShown),
      execute: async () => {
        try {
          const { current } = active;
          await (current && execute(current));
        } catch (error) {
          notifyError(error);
        }
      }
    });
  }
  commands.addCommand(COMMANDS.refreshStale, {
    label: 'Refresh Stale Answers…',
    caption: 'Run the prompts with stale answers again, after a confirmation',
    icon: refreshIcon,
    isEnabled: () => active.link !== null && active.link.state !== null,
    execute: () => active.panel && active.link && refreshStale(active.panel, active.link)
  });
  const ids = [...Object.keys(CELL_COMMANDS), COMMANDS.refreshStale];
  for (const command of ids) {
    palette?.addItem({ command, category: CATEGORY });
  }
  active.changed.connect(() => {
    ids.forEach(id => {
      commands.notifyCommandChanged(id);
    });
  });
}

/** The last state may be older than the answer, so the kernel is asked when the command runs. */
function mayHaveVersions({ link, hasAnswer, state }: IActiveCell): boolean {
  return link.state !== null && (hasAnswer || (state?.versions ?? 0) > 0);
}

function hasVersions({ state }: IActiveCell): boolean {
  return (state?.versions ?? 0) > 1;
}

async function runWithAnother({ panel, cell, link }: IActiveCell): Promise<void> {
  const model = await chooseModel({
    title: 'Run with another model',
    load: () => link.request('list_models', {})
  });
  panel.content.activate();
  if (model !== null) {
    await runInModel(panel, cell, model);
  }
}
