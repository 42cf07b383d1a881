import pg from 'pg';

/** A statement that a process runs so often is worth to be kept by every connection. */
const USES_BEFORE = 3;
/** Statements that are looked at, and kept by a connection at most: some are put together and never come again. */
const STATEMENTS_MAX = 500;
/**
 * PostgreSQL plans kept statements for arrays of ten elements and short documents. For others it plans by what they
 * are, so those are sent without a name.
 */
const ARRAY_MAX = 32;
const TEXT_MAX = 16_384;

interface Statement {
  readonly name: string;
  uses: number;
  isRefused: boolean;
}

const statements = new Map<string, Statement>();

/**
 * A client that has PostgreSQL keep the statements that come again: parsing and planning small ones takes several times
 * what running them does. A connection that did not answer within `query_timeout` is closed: every statement behind the
 * one that is given up would wait for the same answer.
 */
export class PreparingClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    const ask = this.query.bind(this) as (...input: unknown[]) => Promise<unknown> | undefined;
    const query = (...input: unknown[]) =>
      ask(...input)?.catch((error: unknown) => {
        if (isSilence(error)) this.end().catch(() => undefined);
        throw error;
      });
    const preparing = (...input: unknown[]): Promise<unknown> | undefined => {
      const [text, values] = input;
      if (input.length !== 2 || typeof text !== 'string' || !Array.isArray(values)) return query(...input);
      const statement = statementOf(text, values);
      if (statement === null) return query(text, values);
      return query({ name: statement.name, text, values })?.catch((error: unknown) => {
        // A migration has changed what the statement returns, and the connection would insist on the old shape.
        if (error instanceof pg.DatabaseError && error.code === '0A000') statement.isRefused = true;
        throw error;
      });
    };
    this.query = preparing as unknown as pg.Client['query'];
  }
}

function isSilence(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout';
}

function statementOf(text: string, values: readonly unknown[]): Statement | null {
  if (values.length === 0 || values.some(isLarge)) return null;
  const statement = statements.get(text);
  if (statement === undefined) {
    if (statements.size < STATEMENTS_MAX) {
      statements.set(text, { name: `kept-${statements.size}`, uses: 1, isRefused: false });
    }
    return null;
  }
  statement.uses += 1;
  return statement.uses > USES_BEFORE && !statement.isRefused ? statement : null;
}

function isLarge(value: unknown): boolean {
  if (typeof value === 'string') return value.length > TEXT_MAX;
  return Array.isArray(value) && value.length > ARRAY_MAX;
}
