const MAX_DEPTH = 200;

/**
 * JSON in one spelling: keys in code-unit order, no spaces, members that are undefined left out. Two equal values
 * have equal bytes, so that they can be compared and hashed. Numbers and strings as ECMAScript writes them
 * (the rule of RFC 8785); non-finite numbers become null, as in JSON.stringify.
 *
 * @throws TypeError for what has no JSON form: a bigint, a function, a cycle
 */
export function canonicalJson(value: unknown): string {
  return write(value, 0);
}

function write(value: unknown, depth: number): string {
  if (typeof value !== 'object' || value === null) return writeScalar(value);
  if (depth > MAX_DEPTH) throw new TypeError(`a value nested deeper than ${MAX_DEPTH} or in a cycle`);
  if (value instanceof Date) return writeScalar(value.toISOString());
  if (Array.isArray(value)) {
    // As in JSON.stringify, what has no form leaves null in its place.
    return `[${value.map((item: unknown) => write(item ?? null, depth + 1)).join(',')}]`;
  }
  const members = value as Readonly<Record<string, unknown>>;
  const texts: string[] = [];
  for (const key of Object.keys(members).sort()) {
    const member = members[key];
    if (member !== undefined) texts.push(`${JSON.stringify(key)}:${write(member, depth + 1)}`);
  }
  return `{${texts.join(',')}}`;
}

function writeScalar(value: unknown): string {
  const text = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`a ${typeof value} has no JSON form`);
  return text;
}
