/** The outputs of a cell that are an answer: which they are, and another answer in their place. */

import type { IDisplayData, IOutput } from '@jupyterlab/nbformat';

/** Where an answer stands in the conversations, as its output says. */
export interface IPlace {
  readonly thread: string;
  readonly turn: number;
}

/** An output, saved or on the page. */
export type AnyOutput = IOutput | { readonly data: unknown; readonly metadata: unknown };

type Members = Readonly<Record<string, unknown>>;

const NAME = 'cc_jupyter';

/** Give what an output says of its answer (metadata_schema.json); `null`: it is none. */
export function aboutOf(metadata: unknown): Members | null {
  const about = isObject(metadata) ? metadata[NAME] : null;
  return isObject(about) ? about : null;
}

/** Give the outputs with another answer in the place of one, whole or begun; else behind them. */
export function withAnswer(
  outputs: readonly IOutput[],
  answer: readonly IDisplayData[],
  place: IPlace
): IOutput[] {
  const at = answerPlace(outputs, place);
  if (at < 0) {
    const last = outputs.at(-1);
    // a page that was left while an answer came has saved the beginning of one
    const isBegun = last && dataOf(last, 'text/markdown') !== '';
    return [...(isBegun ? outputs.slice(0, -1) : outputs), ...answer];
  }
  const first = begins(outputs[at - 1], '<details') ? at - 1 : at;
  const isText = !begins(outputs[at], '<small');
  const last = isText && begins(outputs[at + 1], '<small') ? at + 1 : at;
  return [...outputs.slice(0, first), ...answer, ...outputs.slice(last + 1)];
}

/** Give the place of an answer among the outputs: of this turn, else of the last; -1: none. */
export function answerPlace(outputs: readonly AnyOutput[], place?: IPlace): number {
  const abouts = outputs.map(({ metadata }) => aboutOf(metadata));
  const own = abouts.findLastIndex(
    about => about !== null && about.thread === place?.thread && about.turn === place?.turn
  );
  return own >= 0 ? own : abouts.findLastIndex(about => about !== null);
}

/** Give the text of the last answer, as plain as it was saved; empty: there is none. */
export function answerText(outputs: readonly AnyOutput[]): string {
  const output = outputs[answerPlace(outputs)];
  return output && !begins(output, '<small') ? dataOf(output, 'text/plain') : '';
}

function begins(output: AnyOutput | undefined, tag: string): boolean {
  return output !== undefined && dataOf(output, 'text/html').startsWith(tag);
}

function dataOf(output: AnyOutput, type: string): string {
  const text = isObject(output.data) ? output.data[type] : '';
  return Array.isArray(text) ? text.join('') : typeof text === 'string' ? text : '';
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
