/** Finds the version before or after the active one, and what distinguishes a version. */

import type { IVersion, IVersions } from '../kernel/protocol';

/** Return the adjacent version that has text, or `null` if there is none. */
export function adjacentVersion({ active, versions }: IVersions, by: -1 | 1): number | null {
  const from = active ?? versions.length + 1;
  const others = versions.filter(
    ({ version, answer }) => answer !== '' && (by < 0 ? version < from : version > from)
  );
  return others.at(by < 0 ? -1 : 0)?.version ?? null;
}

/** What distinguishes a version from the one that the cell was last run for. */
export interface IOtherPrompt {
  readonly prompt: string;
  readonly model: string | null;
}

/**
 * Return the prompt and model of the active version if its prompt is not the one above it; `null`
 * if they are the same.
 *
 * The cell's own text is a template, so prompts are compared as they were sent.
 */
export function otherPrompt({ active, versions }: IVersions): IOtherPrompt | null {
  const version = versions.find(each => each.version === active);
  const last: IVersion | undefined = versions.at(-1);
  return version && last && version.prompt !== last.prompt
    ? { prompt: version.prompt, model: version.model }
    : null;
}
