/** The commands about the active cell, with their labels; the schema gives toolbar and shortcuts. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { type ICommandPalette, Notification } from '@jupyterlab/apputils';
import type { INotebookTracker } from '@jupyterlab/notebook';
import {
  caretLeftIcon,
  caretRightIcon,
  copyIcon,
  type LabIcon,
  refreshIcon,
  stopIcon
} from '@jupyterlab/ui-components';

import { ActiveCell, type IActiveCell } from './activeCell';
import { continueAnswer, copyAnswer, insertCode, runInModel, togglePrompt } from './cellActions';
import { chooseModel } from '../models/chooser';
import { CATEGORY, COMMANDS } from '../app/commands';
import { words } from '../app/dom';
import { continueIcon, insertCodeIcon, otherModelIcon, promptIcon } from '../app/icons';
import type { ICellLink, LinkOf } from '../kernel/links';
import { refreshStale } from './refresh';
import { stepVersion } from './versions';

interface ICellCommand {
  readonly label: string;
  readonly caption: string;
  readonly icon: LabIcon;
  /** Whether it makes sense for the cell; where not, the toolbar does not show it. */
  readonly fits: (active: IActiveCell) => boolean;
  /** Whether the toolbar shows it, where that is less. */
  readonly isShown?: (active: IActiveCell) => boolean;
  readonly execute: (active: IActiveCell) => Promise<void> | void;
}

const CELL_COMMANDS: Readonly<Record<string, ICellCommand>> = {
  [COMMANDS.togglePrompt]: {
    label: 'Turn Cell into a Prompt and Back',
    caption: 'Turn this cell into a prompt, or back',
    icon: promptIcon,
    fits: ({ panel }) => panel.content.model?.readOnly === false,
    execute: ({ panel, cell }) => {
      togglePrompt(panel, cell);
    }
  },
  [COMMANDS.runInModel]: {
    label: 'Run in Another Model…',
    caption: 'Run this prompt in another model',
    icon: otherModelIcon,
    fits: ({ isPrompt, link }) => isPrompt && link.state !== null,
    execute: runInAnother
  },
  [COMMANDS.stop]: {
    label: 'Stop Answer',
    caption: 'Stop the answer; what came is kept',
    icon: stopIcon,
    fits: ({ running }) => running !== null,
    isShown: ({ running, code }) => running !== null && running === code,
    execute: ({ running, link }) => link.stop(running?.model.id ?? '')
  },
  [COMMANDS.previousVersion]: {
    label: 'Previous Version of Answer',
    caption: 'Let the previous version count',
    icon: caretLeftIcon,
    fits: mayHaveVersions,
    isShown: hasVersions,
    execute: ({ panel, code, link }) => (code ? stepVersion(panel, code, link, -1) : undefined)
  },
  [COMMANDS.nextVersion]: {
    label: 'Next Version of Answer',
    caption: 'Let the next version count',
    icon: caretRightIcon,
    fits: mayHaveVersions,
    isShown: hasVersions,
    execute: ({ panel, code, link }) => (code ? stepVersion(panel, code, link, 1) : undefined)
  },
  [COMMANDS.copyAnswer]: {
    label: 'Copy Answer as Markdown',
    caption: 'Copy the answer as Markdown',
    icon: copyIcon,
    fits: ({ hasAnswer }) => hasAnswer,
    execute: ({ panel, cell, link }) => copyAnswer(panel, cell, link)
  },
  [COMMANDS.insertCode]: {
    label: 'Insert Code of Answer as Cell',
    caption: 'Insert the code blocks of the answer as a cell below',
    icon: insertCodeIcon,
    fits: ({ hasCode }) => hasCode,
    execute: ({ panel, cell, link }) => insertCode(panel, cell, link)
  },
  [COMMANDS.continueAnswer]: {
    label: 'Continue Cut Answer',
    caption: 'Carry the answer on where it was cut',
    icon: continueIcon,
    fits: ({ facts, running }) => facts?.cut === true && facts.last && running === null,
    execute: ({ panel, code, facts }) =>
      code && facts ? continueAnswer(panel, code, facts.thread) : undefined
  }
};

/** Add the commands, also to the palette. */
export function addCellCommands(
  { commands }: JupyterFrontEnd,
  palette: ICommandPalette | null,
  tracker: INotebookTracker,
  linkOf: LinkOf
): void {
  const active = new ActiveCell(tracker, linkOf);
  for (const [id, command] of Object.entries(CELL_COMMANDS)) {
    const { label, caption, icon, fits, isShown = fits, execute } = command;
    commands.addCommand(id, {
      label,
      caption,
      icon,
      isEnabled: () => active.now !== null && fits(active.now),
      isVisible: ({ toolbar }) => toolbar !== true || (active.now !== null && isShown(active.now)),
      execute: async () => {
        try {
          await (active.now && execute(active.now));
        } catch (error) {
          Notification.error(words(error));
        }
      }
    });
  }
  commands.addCommand(COMMANDS.refreshStale, {
    label: 'Refresh Stale Answers…',
    caption: 'Run again what is stale; asks first',
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

/** The kernel is asked for them when it comes to it: what it told last may be older than the answer. */
function mayHaveVersions({ link, hasAnswer, facts }: IActiveCell): boolean {
  return link.state !== null && (hasAnswer || (facts?.versions ?? 0) > 0);
}

function hasVersions({ facts }: IActiveCell): boolean {
  return (facts?.versions ?? 0) > 1;
}

async function runInAnother({ panel, cell, link }: IActiveCell): Promise<void> {
  const model = await askModel(link);
  panel.content.activate();
  if (model !== null) {
    await runInModel(panel, cell, model);
  }
}

function askModel(link: ICellLink): Promise<string | null> {
  return chooseModel({
    title: 'Run in another model',
    load: () => link.request('list_models', {}),
    anchor: null
  });
}
