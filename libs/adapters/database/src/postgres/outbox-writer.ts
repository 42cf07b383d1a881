import type { EventPayloads, EventType } from '../events.ts';
import { newId } from '../ids.ts';

/** The transaction that causes the event; anything that runs a parameterised statement. */
export interface StatementRunner {
  query(sql: string, parameters?: unknown[]): Promise<unknown>;
}

/**
 * Writes an event in the caller's transaction and wakes the relay when that commits.
 *
 * @param subject what it is about, in words for a reader of the log: `team/app@sha256:…`, a node path
 */
export async function writeEvent<Type extends EventType>(
  runner: StatementRunner,
  type: Type,
  subject: string,
  payload: EventPayloads[Type],
): Promise<void> {
  await runner.query('INSERT INTO outbox (id, type, subject, payload) VALUES ($1, $2, $3, $4)', [
    newId(),
    type,
    subject,
    JSON.stringify(payload),
  ]);
  await runner.query(`SELECT pg_notify('sluice_outbox', '')`);
}
