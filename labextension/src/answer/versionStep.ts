/** Finds the version before or after the active one. */

import type { IVersions } from '../kernel/protocol';

/** Return the adjacent version that has text, or `null` if there is none. */
export function adjacentVersion({ active, versions }: IVersions, by: -1 | 1): number | null {
  const from = active ?? versions.length + 1;
  const others = versions.filter(
    ({ version, answer }) => answer !== '' && (by < 0 ? version < from : version > from)
  );
  return others.at(by < 0 ? -1 : 0)?.version ?? null;
}
