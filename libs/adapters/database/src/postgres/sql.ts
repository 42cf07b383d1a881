import type { StatementRunner } from '../statement-runner.ts';

/**
 * Runs one parameterised statement and returns its rows.
 *
 * TypeORM answers UPDATE and DELETE with `[rows, count]` and everything else with the rows; this is the one place
 * that knows.
 */
export async function queryRows<Row>(
  runner: StatementRunner,
  sql: string,
  parameters: unknown[] = [],
): Promise<Row[]> {
  const raw = await runner.query(sql, parameters);
  if (!Array.isArray(raw)) return [];
  const isTuple = raw.length === 2 && Array.isArray(raw[0]) && typeof raw[1] === 'number';
  return (isTuple ? raw[0] : raw) as Row[];
}

/** SQLSTATE of a failed statement, undefined for other errors. PostgreSQL documentation, appendix A. */
export function sqlState(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { code, driverError } = error as { code?: unknown; driverError?: unknown };
  if (driverError !== undefined) return sqlState(driverError);
  return typeof code === 'string' ? code : undefined;
}

export const UNIQUE_VIOLATION = '23505';

/** PostgreSQL's text cannot hold U+0000, and nobody reads a message of a megabyte. */
export function storableText(text: string, maxLength = 4000): string {
  const clean = text.replaceAll('\u0000', '\\0');
  return clean.length > maxLength ? `${clean.slice(0, maxLength)}…` : clean;
}

/** The value as JSON with every text made storable as jsonb, which holds neither U+0000 nor half a surrogate pair. */
export function storableJson<Value>(value: Value): Value {
  return JSON.parse(
    JSON.stringify(value, (_key, member: unknown) => {
      if (typeof member === 'string') return wellFormed(member);
      if (typeof member !== 'object' || member === null || Array.isArray(member)) return member;
      return Object.fromEntries(Object.entries(member).map(([key, inner]) => [wellFormed(key), inner]));
    }),
  ) as Value;
}

function wellFormed(text: string): string {
  return text.toWellFormed().replaceAll('\u0000', '\ufffd');
}
