/** One challenge of a `WWW-Authenticate` header, scheme and parameter names in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
const SPACE = /[ \t]*/y;

/**
 * Parses the challenges of a `WWW-Authenticate` header (RFC 9110, 11.6.1); several may be joined by commas. What
 * cannot be parsed ends the list: a registry is free to send schemes that nobody here knows.
 */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  let position = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = position;
    const match = pattern.exec(header);
    if (match !== null) position = pattern.lastIndex;
    return match;
  };
  const skip = (character: string): boolean => {
    if (header[position] !== character) return false;
    position += 1;
    return true;
  };
  while (position < header.length) {
    take(SPACE);
    while (skip(',')) take(SPACE);
    const name = take(TOKEN)?.[0].toLowerCase();
    if (name === undefined) break;
    take(SPACE);
    if (!skip('=')) {
      challenges.push({ scheme: name, parameters: {} });
      continue;
    }
    take(SPACE);
    const quoted = take(QUOTED);
    const value = quoted === null ? take(TOKEN)?.[0] : quoted[1]?.replaceAll(/\\(.)/g, '$1');
    const current = challenges.at(-1);
    if (value === undefined || current === undefined) break;
    current.parameters[name] = value;
  }
  return challenges;
}
