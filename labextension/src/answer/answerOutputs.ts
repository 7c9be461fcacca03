/** Finds the outputs of a cell that belong to an answer, and replaces them with another answer. */

import type { IDisplayData, IOutput } from '@jupyterlab/nbformat';

/** The turn of an answer, as its output's metadata names it. */
export interface ITurnRef {
  readonly thread: string;
  readonly turn: number;
}

/** An output, either saved or of the page. */
export type AnyOutput = IOutput | { readonly data: unknown; readonly metadata: unknown };

type Members = Readonly<Record<string, unknown>>;

/** What the outputs of a cell show of an answer. */
export interface IShownAnswer {
  /** Its id in the history; `null` in notebooks of earlier versions. */
  readonly turnId: string | null;
  /** Whether it is one of several answers, those of a grid. */
  readonly isGrid: boolean;
  /** Its conversation; `null` if it belongs to none. */
  readonly thread: string | null;
}

/**
 * Return what a cell shows of its last answer; `null` if it shows no complete one.
 *
 * @param isKnown - whether a conversation has an answer; of a grid, that answer counts, else the
 * first one
 */
export function shownAnswer(
  outputs: readonly AnyOutput[],
  isKnown: (turnId: string) => boolean = () => false
): IShownAnswer | null {
  const found = answerMetadata(outputs[answerIndex(outputs)]?.metadata);
  if (!found || !Array.isArray(found.answers)) {
    return found && { ...turnOf(found), isGrid: false };
  }
  const turns = found.answers.filter(isObject).map(turnOf);
  const turn = turns.find(({ turnId }) => turnId !== null && isKnown(turnId)) ?? turns[0];
  return { turnId: null, thread: null, ...turn, isGrid: true };
}

/** Return whether a part of an answer was shown that was never completed. */
export function hasUnfinished(outputs: readonly AnyOutput[]): boolean {
  return outputs.some(isUnfinished);
}

/** Return the metadata of an answer (metadata_schema.json), or `null` for another output. */
export function answerMetadata(metadata: unknown): Members | null {
  const found = ownMetadata(metadata);
  return found?.unfinished === true ? null : found;
}

/** Return the outputs with the answer of a turn, complete or not, replaced; else appended. */
export function replaceAnswer(
  outputs: readonly IOutput[],
  answer: readonly IDisplayData[],
  turn?: ITurnRef
): IOutput[] {
  const begun = outputs.findIndex(isUnfinished);
  if (begun >= 0) {
    const rest = outputs.slice(begun).filter(each => !isUnfinished(each));
    return [...outputs.slice(0, begun), ...answer, ...rest];
  }
  const index = answerIndex(outputs, turn);
  if (index < 0) {
    const last = outputs.at(-1);
    // an earlier version saved the beginning of an answer without a mark
    const isPartial = last && dataOf(last, 'text/markdown') !== '';
    return [...(isPartial ? outputs.slice(0, -1) : outputs), ...answer];
  }
  const first = startsWith(outputs[index - 1], '<details') ? index - 1 : index;
  const isText = !startsWith(outputs[index], '<small');
  const last = isText && startsWith(outputs[index + 1], '<small') ? index + 1 : index;
  return [...outputs.slice(0, first), ...answer, ...outputs.slice(last + 1)];
}

/** Return the index of the answer of a turn, else of the last answer; -1 if there is none. */
export function answerIndex(outputs: readonly AnyOutput[], turn?: ITurnRef): number {
  const found = outputs.map(({ metadata }) => answerMetadata(metadata));
  const exact = found.findLastIndex(
    each => each !== null && each.thread === turn?.thread && each.turn === turn?.turn
  );
  return exact >= 0 ? exact : found.findLastIndex(each => each !== null);
}

/** Return the plain text of the last answer, as it was saved; empty if there is none. */
export function answerText(outputs: readonly AnyOutput[]): string {
  const output = outputs[answerIndex(outputs)];
  return output && !startsWith(output, '<small') ? dataOf(output, 'text/plain') : '';
}

/** Return whether an output shows a part of an answer that had not arrived completely. */
function isUnfinished({ metadata }: AnyOutput): boolean {
  return ownMetadata(metadata)?.unfinished === true;
}

function ownMetadata(metadata: unknown): Members | null {
  const found = isObject(metadata) ? metadata.cc_jupyter : null;
  return isObject(found) ? found : null;
}

function turnOf({ turn_id: id, thread }: Members): Pick<IShownAnswer, 'turnId' | 'thread'> {
  return { turnId: textOf(id), thread: textOf(thread) };
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}

function startsWith(output: AnyOutput | undefined, tag: string): boolean {
  return output !== undefined && dataOf(output, 'text/html').startsWith(tag);
}

function dataOf(output: AnyOutput, type: string): string {
  const text = isObject(output.data) ? output.data[type] : '';
  return Array.isArray(text) ? text.join('') : typeof text === 'string' ? text : '';
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
