/** The current values of the settings in `schema/plugin.json`. */

import type { ISettingRegistry } from '@jupyterlab/settingregistry';

import { SETTINGS_ID } from './commands';

const DEFAULTS = { codeButtons: true, loadExtension: false, marks: true, wordDiff: true };

type Values = Readonly<typeof DEFAULTS>;

class Settings {
  private values: Values = DEFAULTS;
  private readonly listeners = new Set<() => void>();

  /** Whether the code blocks of answers have buttons. */
  get codeButtons(): boolean {
    return this.values.codeButtons;
  }

  /** Whether each new kernel loads the extension. */
  get loadExtension(): boolean {
    return this.values.loadExtension;
  }

  /** Whether answers have warnings; the setting's name, `marks`, is in the users' files. */
  get warnings(): boolean {
    return this.values.marks;
  }

  /** Whether switching versions shows what has changed. */
  get wordDiff(): boolean {
    return this.values.wordDiff;
  }

  /** Follow the user's settings; the schema's toolbars and shortcuts also need them loaded. */
  async follow(registry: ISettingRegistry | null): Promise<void> {
    const loaded = await registry?.load(SETTINGS_ID);
    if (!loaded) {
      return;
    }
    const update = (): void => {
      const entries = Object.entries(DEFAULTS).map(([name, byDefault]) => {
        const value = loaded.get(name).composite;
        return [name, typeof value === 'boolean' ? value : byDefault];
      });
      this.values = Object.fromEntries(entries) as Values;
      this.listeners.forEach(listener => {
        listener();
      });
    };
    loaded.changed.connect(update);
    update();
  }

  /** Call `listener` on each change; returns a function that stops this. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }
}

export const settings = new Settings();
