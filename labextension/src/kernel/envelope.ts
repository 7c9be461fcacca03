/** What goes around every message of the protocol, and the refusals that come back. */

import type { JSONObject } from '@lumino/coreutils';

export interface IMessage {
  readonly v: number;
  readonly type: string;
  readonly id: string;
  readonly body: JSONObject;
}

/** Tell whether something is a message of the protocol, of whatever version. */
export function isMessage(data: unknown): data is IMessage {
  const found = data as Partial<IMessage> | null;
  return (
    typeof found === 'object' &&
    found !== null &&
    typeof found.v === 'number' &&
    typeof found.type === 'string' &&
    typeof found.id === 'string' &&
    typeof found.body === 'object' &&
    (found.body as JSONObject | null) !== null
  );
}

/** Why the kernel does not do what was asked for: a sentence, and what to do about it. */
export class LinkError extends Error {
  constructor(
    message: string,
    readonly hint: string | null = null
  ) {
    super(message);
    this.name = 'LinkError';
  }
}

/** Give the refusal that an `error` message carries. */
export function refusal({ message, hint }: JSONObject): LinkError {
  const said = typeof message === 'string' ? message : 'the kernel refused';
  return new LinkError(said, typeof hint === 'string' ? hint : null);
}

/** Give what is said where nobody answers. */
export function notThere(): LinkError {
  return new LinkError('the kernel does not answer', 'run %load_ext cc_jupyter in it');
}
