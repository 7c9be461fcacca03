/** The envelope around each message of the protocol, and the errors that a kernel returns. */

import type { JSONObject } from '@lumino/coreutils';

export interface IMessage {
  readonly v: number;
  readonly type: string;
  readonly id: string;
  readonly body: JSONObject;
}

/** Return whether some data is a message of the protocol, in any version. */
export function isMessage(data: unknown): data is IMessage {
  const message = data as Partial<IMessage> | null;
  return (
    typeof message === 'object' &&
    message !== null &&
    typeof message.v === 'number' &&
    typeof message.type === 'string' &&
    typeof message.id === 'string' &&
    typeof message.body === 'object' &&
    (message.body as JSONObject | null) !== null
  );
}

/** The reason why a request failed: one sentence, and a hint what to do about it. */
export class LinkError extends Error {
  constructor(
    message: string,
    readonly hint: string | null = null
  ) {
    super(message);
    this.name = 'LinkError';
  }
}

/** Convert the body of an `error` message. */
export function errorFrom({ message, hint }: JSONObject): LinkError {
  return new LinkError(
    typeof message === 'string' ? message : 'The kernel refused the request.',
    typeof hint === 'string' ? hint : null
  );
}

/** Create the error for a request that no kernel answers. */
export function notConnected(): LinkError {
  return new LinkError('The kernel does not answer.', 'Run %load_ext cc_jupyter in it.');
}
