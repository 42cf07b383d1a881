/**
 * JSON in one spelling: keys in code-unit order, no spaces, members that are undefined left out. Two equal values
 * have equal bytes, so that they can be compared and hashed. Numbers and strings as ECMAScript writes them
 * (the rule of RFC 8785); non-finite numbers become null, as in JSON.stringify.
 *
 * @throws TypeError for what has no JSON form: a bigint, a function, a cycle
 */
export function canonicalJson(value: unknown): string {
  const text = JSON.stringify(sortKeys(value, 0));
  if (text === undefined) throw new TypeError('this value has no JSON form');
  return text;
}

const MAX_DEPTH = 200;

function sortKeys(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH) throw new TypeError(`a value nested deeper than ${MAX_DEPTH} or in a cycle`);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map((item) => sortKeys(item, depth + 1));
  const entries = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .sort(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0))
    .map(([key, member]): [string, unknown] => [key, sortKeys(member, depth + 1)]);
  // A member called __proto__ must stay a member.
  return Object.assign(Object.create(null) as object, Object.fromEntries(entries));
}
