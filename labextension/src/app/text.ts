/** Formats the texts of the page. */

/** Join the parts that are not empty by a middle dot. */
export function joined(...parts: readonly string[]): string {
  return parts.filter(Boolean).join(' · ');
}

/** Return a number with its thousands separated, such as `1,204`. */
export function formatted(count: number): string {
  return count.toLocaleString('en');
}

/** Return a number and what it counts, such as `1 request` or `2 requests`. */
export function counted(count: number, noun: string): string {
  return `${formatted(count)} ${noun}${count === 1 ? '' : 's'}`;
}
