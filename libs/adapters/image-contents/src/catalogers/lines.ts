/**
 * The lines of a text file, one at a time: a database may have millions, and their strings must not all exist at
 * once. Without line ends; `\r` stays.
 */
export function* linesOf(content: Buffer): Generator<string, void, undefined> {
  let start = 0;
  while (start < content.length) {
    const newline = content.indexOf(0x0a, start);
    const end = newline < 0 ? content.length : newline;
    yield content.toString('utf8', start, end);
    start = end + 1;
  }
}
