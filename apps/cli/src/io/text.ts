/**
 * Text of the server made safe for a terminal: names and reasons come from whoever pushed or wrote a policy, and an
 * escape sequence among them could rewrite what stands on the screen.
 */
export function printable(text: string): string {
  return text.replaceAll(/(?![\t\n])[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu, '\ufffd');
}

/** The same for one cell or one line: line breaks and tabs become spaces. */
export function printableLine(text: string): string {
  return printable(text.replaceAll(/[\t\r\n]+/g, ' '));
}
