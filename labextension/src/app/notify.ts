/** Shows what happened as a notification of JupyterLab. */

import { Notification } from '@jupyterlab/apputils';

import { errorMessage } from './dom';

/** Show an error until the user closes it. */
export function notifyError(error: unknown): void {
  Notification.error(errorMessage(error));
}

/** Show a remark for three seconds. */
export function notifyBriefly(message: string): void {
  Notification.info(message, { autoClose: 3000 });
}
