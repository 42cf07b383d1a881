/** Bytes of all warnings of a response together (distribution-spec main, "Warnings"). */
const WARNING_MAX = 4_096;

/**
 * A `Warning` header in the one form that clients show: `299 - "text"`, no date, printable ASCII, quotes and
 * backslashes escaped (distribution-spec main, "Warnings"; RFC 7234, 5.5).
 */
export function warningHeader(message: string): string {
  const text = message.replace(/[^\x21-\x7e]+/g, ' ').replace(/["\\]/g, '\\$&');
  const room = WARNING_MAX - '299 - ""'.length;
  // A cut must not leave half of an escape behind.
  return `299 - "${text.slice(0, room).replace(/(?<!\\)(?:\\\\)*\\$/, (tail) => tail.slice(1))}"`;
}
