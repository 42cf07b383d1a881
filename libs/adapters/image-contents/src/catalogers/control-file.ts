import { linesOf } from './lines.ts';

/** Fields of one stanza by lower-case name. Only first lines are kept: no field that we read has more. */
export type Paragraph = ReadonlyMap<string, string>;

/**
 * The stanzas of a file (deb822(5)) one after the other: `Name: value` lines, continuation lines that begin with
 * white space, stanzas apart by blank lines.
 *
 * @param isWanted which fields are kept, by lower-case name
 * @param onStray called for each line that is nothing of this
 */
export function* paragraphsOf(
  content: Buffer,
  isWanted: (field: string) => boolean,
  onStray: () => void,
): Generator<Paragraph, void, undefined> {
  let current: Map<string, string> | null = null;
  for (const line of linesOf(content)) {
    if (line.trim() === '') {
      if (current !== null) yield current;
      current = null;
      continue;
    }
    const isContinuation = line.startsWith(' ') || line.startsWith('\t');
    const colon = isContinuation ? -1 : line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
    if (isContinuation ? current === null : colon <= 0 || /\s/.test(name)) {
      onStray();
    } else if (!isContinuation) {
      current ??= new Map();
      if (isWanted(name)) current.set(name, line.slice(colon + 1).trim());
    }
  }
  if (current !== null) yield current;
}
