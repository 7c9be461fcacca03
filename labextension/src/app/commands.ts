/** The ids of all commands. Each label is where its command is added. */

export const COMMANDS = {
  togglePrompt: 'cc-jupyter:toggle-prompt',
  runInModel: 'cc-jupyter:run-in-model',
  stop: 'cc-jupyter:stop',
  previousVersion: 'cc-jupyter:previous-version',
  nextVersion: 'cc-jupyter:next-version',
  restorePrompt: 'cc-jupyter:restore-prompt',
  copyAnswer: 'cc-jupyter:copy-answer',
  insertCode: 'cc-jupyter:insert-code',
  continueAnswer: 'cc-jupyter:continue-answer',
  refreshStale: 'cc-jupyter:refresh-stale',
  chooseModel: 'cc-jupyter:choose-model',
  showPanel: 'cc-jupyter:show-panel'
} as const;

/** The heading of these commands in the palette. */
export const CATEGORY = 'Prompt Cells';

/** The id of the plugin, which is also the id of its settings. */
export const SETTINGS_ID = 'cc-jupyter:plugin';
