/** Fields of one stanza by lower-case name. Only first lines are kept: no field that we read has more. */
export type Paragraph = ReadonlyMap<string, string>;

/**
 * Splits a file of stanzas (deb822(5)): `Name: value` lines, continuation lines that begin with white space, stanzas
 * apart by blank lines. `strayLines` counts what is neither.
 */
export function parseControlFile(content: Buffer): { paragraphs: Paragraph[]; strayLines: number } {
  const paragraphs: Map<string, string>[] = [];
  let current: Map<string, string> | null = null;
  let strayLines = 0;
  for (const line of content.toString('utf8').split('\n')) {
    if (line.trim() === '') {
      current = null;
      continue;
    }
    if (line.startsWith(' ') || line.startsWith('\t')) {
      if (current === null) strayLines += 1;
      continue;
    }
    const colon = line.indexOf(':');
    if (colon <= 0 || /\s/.test(line.slice(0, colon))) {
      strayLines += 1;
      continue;
    }
    if (current === null) {
      current = new Map();
      paragraphs.push(current);
    }
    current.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return { paragraphs, strayLines };
}
