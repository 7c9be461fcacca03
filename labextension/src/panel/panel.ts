/** The side panel, whose sections follow the current notebook. */

import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import { button, errorMessage, h } from '../app/dom';
import { panelIcon } from '../app/icons';
import type { IState } from '../kernel/protocol';
import type { CurrentNotebook } from '../status/currentNotebook';
import { ConversationsSection } from './conversations';
import type { IPanelHost, ISection } from './host';
import { ModelsSection } from './models';
import { PromptsSection } from './prompts';
import { SearchSection } from './search';
import { UsageSection } from './usage';

export const PANEL_ID = 'cc-jupyter-panel';

interface IFrame {
  readonly section: ISection;
  readonly node: HTMLDetailsElement;
  /** The host and version that the section shows. */
  shown: readonly [IPanelHost, string] | null;
}

export class SidePanel extends Widget {
  private readonly message = h('div', { class: 'cc-panel-message', role: 'status' });
  private readonly loadButton = button(
    'Load it in a new first cell',
    'Inserts %load_ext cc_jupyter above all cells and runs it',
    () => void this.current.loadExtension()
  );
  private readonly body = h('div', {});
  private readonly frames: readonly IFrame[];

  constructor(private readonly current: CurrentNotebook) {
    super();
    this.id = PANEL_ID;
    this.addClass('cc-panel');
    this.title.icon = panelIcon;
    this.title.caption = 'Models, conversations and usage of the notebook';
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Prompts of the notebook');
    this.frames = [
      new ConversationsSection(),
      new ModelsSection(),
      new UsageSection(),
      new PromptsSection(),
      new SearchSection()
    ].map(section => ({ section, node: this.createFrame(section), shown: null }));
    this.body.append(...this.frames.map(({ node }) => node));
    this.node.append(this.message, this.loadButton, this.body);
    current.changed.connect(this.refresh);
    this.refresh();
  }

  override dispose(): void {
    this.current.changed.disconnect(this.refresh);
    super.dispose();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.refresh();
  }

  private createFrame(section: ISection): HTMLDetailsElement {
    const frame = h('details', { open: true }, h('summary', {}, section.title), section.node);
    frame.addEventListener('toggle', this.refresh);
    return frame;
  }

  /** Show the current notebook; a hidden panel or a closed section sends no requests. */
  private readonly refresh = (): void => {
    const { status, name, state, host } = this.current;
    setText(this.message, MESSAGES[status](name));
    this.loadButton.hidden = status !== 'not loaded';
    this.body.hidden = host === null;
    for (const frame of this.frames) {
      if (!host || !state) {
        frame.shown = null; // the same version may mean something else with the next kernel
      } else if (frame.node.open && this.isVisible) {
        void this.refreshFrame(frame, host, state);
      }
    }
  };

  private async refreshFrame(frame: IFrame, host: IPanelHost, state: IState): Promise<void> {
    const version = frame.section.version(state);
    const [shownHost, shownVersion] = frame.shown ?? [];
    if (host === shownHost && version === shownVersion) {
      return;
    }
    frame.shown = [host, version];
    try {
      await frame.section.refresh(host, state);
    } catch (error) {
      frame.shown = null;
      if (host === this.current.host) {
        setText(this.message, errorMessage(error));
      }
    }
  }
}

const MESSAGES = {
  'no notebook': () => 'Open a notebook to see its models, conversations and usage.',
  'no kernel': (name: string) => `${name} has no kernel.`,
  waiting: (name: string) => name,
  'another version': (name: string) =>
    `The kernel of ${name} and JupyterLab have different versions of cc_jupyter. Update one of them.`,
  'not loaded': (name: string) => `The kernel of ${name} has not loaded cc_jupyter.`,
  linked: (name: string) => name
} as const;

/** Set a text only if it changes, since screen readers read each change aloud. */
function setText(node: HTMLElement, text: string): void {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}
