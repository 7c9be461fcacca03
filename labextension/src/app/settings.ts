/** The settings of schema/plugin.json, as they stand at the moment. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';

import { SETTINGS_ID } from './commands';

const DEFAULTS = { codeButtons: true, marks: true, wordDiff: true };

type Name = keyof typeof DEFAULTS;

class Settings {
  private values: Readonly<Record<Name, boolean>> = DEFAULTS;
  private readonly calls = new Set<() => void>();

  /** Whether code blocks of answers have buttons. */
  get codeButtons(): boolean {
    return this.values.codeButtons;
  }

  /** Whether stale, cut and misplaced answers are marked. */
  get marks(): boolean {
    return this.values.marks;
  }

  /** Whether another version is shown with what it has changed. */
  get wordDiff(): boolean {
    return this.values.wordDiff;
  }

  /** Follow the user's settings; toolbars and shortcuts of the schema need it loaded, too. */
  async follow(registry: ISettingRegistry | null): Promise<void> {
    const found = await registry?.load(SETTINGS_ID);
    if (!found) {
      return;
    }
    const take = (): void => {
      const entries = Object.entries(DEFAULTS).map(([name, byDefault]) => {
        const value = found.get(name).composite;
        return [name, typeof value === 'boolean' ? value : byDefault];
      });
      this.values = Object.fromEntries(entries) as Record<Name, boolean>;
      this.calls.forEach(call => {
        call();
      });
    };
    found.changed.connect(take);
    take();
  }

  /** Have `call` called at each change; gives what ends that. */
  onChange(call: () => void): () => void {
    this.calls.add(call);
    return () => {
      this.calls.delete(call);
    };
  }
}

export const settings = new Settings();
