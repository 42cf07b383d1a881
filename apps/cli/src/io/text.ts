/**
 * Text of the server made safe for a terminal: names and reasons come from whoever pushed or wrote a policy, and an
 * escape sequence among them could rewrite what stands on the screen.
 */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replaceAll(
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    '\ufffd',
  );
}

/** The same for one cell or one line: line breaks and tabs become spaces. */
export function printableLine(text: string): string {
  return printable(text.replaceAll(/[\t\r\n]+/g, ' '));
}
