/** The side panel: its sections follow the notebook that is current. */

import { LabIcon } from '@jupyterlab/ui-components';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import type { Current } from '../status/currentNotebook';
import { button, h, words } from '../app/dom';
import { Conversations } from './conversations';
import type { IState } from '../kernel/protocol';
import type { IPanelHost, ISection } from './host';
import { Models } from './models';
import { Search } from './search';
import { framed } from './section';
import { Usage } from './usage';

export const PANEL_ID = 'cc-jupyter-panel';

const ICON = new LabIcon({
  name: 'cc-jupyter:panel',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16">' +
    '<path class="jp-icon3" fill="#616161" d="M2 2h12v9H7l-3 3v-3H2zm2 2.5v1.2h8V4.500zm0 2.6v1.2h5V7.100z"/></svg>'
});

interface IFrame {
  readonly section: ISection;
  readonly node: HTMLDetailsElement;
  /** What the section shows: whose, and as of when. */
  shown: readonly [IPanelHost, string] | null;
}

export class SidePanel extends Widget {
  private readonly about = h('div', { class: 'cc-panel-about', role: 'status' });
  private readonly load = button(
    'Load it in a new first cell',
    'Puts %load_ext cc_jupyter before all cells and runs it',
    () => void this.current.loadExtension()
  );
  private readonly body = h('div', {});
  private readonly frames: readonly IFrame[];

  constructor(private readonly current: Current) {
    super();
    this.id = PANEL_ID;
    this.addClass('cc-panel');
    this.title.icon = ICON;
    this.title.caption = 'Models, conversations and usage of the notebook';
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Prompts of the notebook');
    this.frames = [new Conversations(), new Models(), new Usage(), new Search()].map(section => {
      const node = framed(section, this.follow);
      return { section, node, shown: null };
    });
    this.body.append(...this.frames.map(({ node }) => node));
    this.node.append(this.about, this.load, this.body);
    current.changed.connect(this.follow);
    this.follow();
  }

  override dispose(): void {
    this.current.changed.disconnect(this.follow);
    super.dispose();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.follow();
  }

  /** Show what is current now; nothing is asked while nobody looks. */
  private readonly follow = (): void => {
    const { standing, name, state, host } = this.current;
    setText(this.about, ABOUT[standing](name));
    this.load.hidden = standing !== 'not loaded';
    this.body.hidden = host === null;
    for (const frame of this.frames) {
      if (!host || !state) {
        frame.shown = null; // the next kernel may say the same and mean something else
      } else if (frame.node.open && this.isVisible) {
        void this.fill(frame, host, state);
      }
    }
  };

  private async fill(frame: IFrame, host: IPanelHost, state: IState): Promise<void> {
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
        setText(this.about, words(error));
      }
    }
  }
}

const ABOUT = {
  'no notebook': () => 'Open a notebook to see its models, conversations and usage.',
  'no kernel': (name: string) => `${name} has no kernel.`,
  waiting: (name: string) => name,
  'another version': (name: string) =>
    `The kernel of ${name} has another version of cc_jupyter than JupyterLab: update one of them.`,
  'not loaded': (name: string) => `The kernel of ${name} has not loaded cc_jupyter.`,
  linked: (name: string) => name
} as const;

/** Set a text that is read aloud when it changes, and only then. */
function setText(node: HTMLElement, text: string): void {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}
