const SECRET_KEY = /(password|passphrase|secret|token|authorization|cookie|private_?key|credential)s?$/i;
const MAX_TEXT = 2_000;
const MAX_ITEMS = 100;
const MAX_DEPTH = 6;

/**
 * A detail that may be kept for ever: members whose names speak of secrets lose their text, and what is too long, too
 * many or too deep is cut. The last line of defence; callers do not pass secrets.
 */
export function redactDetail(detail: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return redactMembers(detail, 0);
}

function redact(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value;
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) return '…';
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => redact(item, depth + 1));
  return redactMembers(value, depth + 1);
}

function redactMembers(value: object, depth: number): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, MAX_ITEMS)
      .map(([key, member]) => [
        key,
        SECRET_KEY.test(key) && typeof member === 'string' ? '[redacted]' : redact(member, depth),
      ]),
  );
}
