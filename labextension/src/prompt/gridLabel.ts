/** The text at the edge of a grid cell: how many requests it sends, and what they may cost. */

import { counted, formatted, joined } from '../app/text';
import type { IEstimate } from '../kernel/protocol';
import { findExpressions } from './expressions';
import type { IGridSize } from './optionLine';

/** Return whether a prompt sends more than its text: values, or images. */
export function sendsValues(line: string, text: string, isRaw: boolean): boolean {
  return /\s(?:-i|--image)(?=[\s=])/.test(line) || (!isRaw && findExpressions(text).length > 0);
}

/**
 * Return the text for a grid.
 *
 * Names of `--vary` stay names, since the kernel evaluates nothing before the cell runs.
 *
 * @param hasValues - whether values are sent that no estimate includes
 */
export function gridLabel(
  { requests, varied }: IGridSize,
  estimate: IEstimate | null,
  hasValues: boolean
): string {
  const times = varied.map(name => ` × ${name}`).join('');
  const unsent = estimate ? requests - estimate.requests : 0;
  return joined(
    counted(requests, 'request') + times,
    unsent > 0 ? `${formatted(unsent)} cannot be sent` : '',
    estimate?.cost ? `${estimate.cost}${times}${hasValues ? ' + values' : ''}` : '',
    estimate?.needs ?? ''
  );
}
