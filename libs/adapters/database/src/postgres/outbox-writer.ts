import type { EventPayloads, EventType } from '../events.ts';
import { newId } from '../ids.ts';
import type { StatementRunner } from '../statement-runner.ts';

export type { StatementRunner } from '../statement-runner.ts';

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
  await runner.query(
    `INSERT INTO outbox (id, type, subject, payload) VALUES ($1, $2, $3, $4) RETURNING pg_notify('sluice_outbox', '')`,
    [newId(), type, subject, JSON.stringify(payload)],
  );
}
