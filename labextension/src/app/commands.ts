/** The commands, all of them: ids in one place. Labels stand where each is added. */

export const COMMANDS = {
  togglePrompt: 'cc-jupyter:toggle-prompt',
  runInModel: 'cc-jupyter:run-in-model',
  stop: 'cc-jupyter:stop',
  previousVersion: 'cc-jupyter:previous-version',
  nextVersion: 'cc-jupyter:next-version',
  copyAnswer: 'cc-jupyter:copy-answer',
  insertCode: 'cc-jupyter:insert-code',
  continueAnswer: 'cc-jupyter:continue-answer',
  refreshStale: 'cc-jupyter:refresh-stale',
  chooseModel: 'cc-jupyter:choose-model',
  showPanel: 'cc-jupyter:show-panel'
} as const;

/** What the palette lists them under. */
export const CATEGORY = 'Prompt Cells';

/** The plugin's id, under which its settings are. */
export const SETTINGS_ID = 'cc-jupyter:plugin';
