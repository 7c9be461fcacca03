/** Which documents are prompts. */

import type { Line, Text } from '@codemirror/state';

import { isMagicLine } from './optionLine';

/**
 * Give the line with `%%cmd` if the cell is a prompt: the first that is not blank.
 *
 * It may be indented where all of the cell is, as the kernel has it (cc_jupyter/input_transforms.py).
 */
export function magicLine(doc: Text): Line | null {
  for (let number = 1; number <= doc.lines; number += 1) {
    const line = doc.line(number);
    if (line.text.trim() !== '') {
      return isMagicLine(line.text) && isIndented(doc, number, line.text) ? line : null;
    }
  }
  return null;
}

function isIndented(doc: Text, first: number, text: string): boolean {
  const indent = text.slice(0, text.indexOf('%'));
  if (indent === '') {
    return true;
  }
  for (let number = first + 1; number <= doc.lines; number += 1) {
    const line = doc.line(number).text;
    if (line.trim() !== '' && !line.startsWith(indent)) {
      return false;
    }
  }
  return true;
}
