/** Which version comes before and behind the one that counts. */

import type { IVersions } from '../kernel/protocol';

/** Give the version that a step leads to: the next with text; `null`: there is none. */
export function neighbour({ active, versions }: IVersions, by: -1 | 1): number | null {
  const from = active ?? versions.length + 1;
  const others = versions.filter(
    ({ version, answer }) => answer !== '' && (by < 0 ? version < from : version > from)
  );
  return others.at(by < 0 ? -1 : 0)?.version ?? null;
}
