import { CHAIN_START, type ChainedEvent, hashEvent, redactDetail } from '@sluice/domain/audit';
import type { DataSource } from 'typeorm';
import { newId } from '../ids.ts';
import { type AuditEvent, AuditLog } from '../ports/audit-log.ts';
import type { StatementRunner } from '../statement-runner.ts';
import { CHAIN_LOCK } from './advisory-locks.ts';
import { queryRows, storableJson, storableText } from './sql.ts';

const BATCH_MAX = 500;

interface Waiting {
  readonly event: AuditEvent;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Appends to the chain in `audit_event`. Events that are recorded while an append is under way share the next one, so
 * that the lock of the chain is taken once for all of them.
 */
export class PostgresAuditLog extends AuditLog {
  readonly #source: DataSource;
  #waiting: Waiting[] = [];
  #appending = false;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  record(event: AuditEvent): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ event, resolve, reject });
      if (!this.#appending) void this.#appendAll();
    });
  }

  async #appendAll(): Promise<void> {
    this.#appending = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH_MAX);
      const events = batch.map(({ event }) => event);
      try {
        await this.#source.transaction((manager) => appendAuditEvents(manager, events));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#appending = false;
  }
}

/**
 * Appends events in the caller's transaction. Call it last there: the lock of the chain is held until the
 * transaction ends, and everybody who audits waits for it.
 */
export async function appendAuditEvents(
  runner: StatementRunner,
  events: readonly AuditEvent[],
): Promise<void> {
  if (events.length === 0) return;
  await runner.query('SELECT pg_advisory_xact_lock($1)', [CHAIN_LOCK]);
  // The clock is read after the lock, so that times follow the order of the chain.
  const [head] = await queryRows<{ seq: string | null; hash: Buffer | null; now: Date }>(
    runner,
    `SELECT last.seq, last.hash, clock_timestamp() AS now FROM (SELECT) AS one
     LEFT JOIN (SELECT seq, hash FROM audit_event ORDER BY seq DESC LIMIT 1) AS last ON true`,
  );
  if (head === undefined) throw new Error('the database did not tell where the chain stands');
  let seq = Number(head.seq ?? CHAIN_START.seq);
  let previousHash = head.hash?.toString('hex') ?? CHAIN_START.hash;
  const at = head.now.toISOString();
  const links = events.map((event) => {
    seq += 1;
    const chained = toChained(event, seq, at);
    const hash = hashEvent(previousHash, chained);
    const link = { ...chained, previousHash, hash };
    previousHash = hash;
    return link;
  });
  await runner.query(INSERT, [
    links.map((link) => link.seq),
    links.map((link) => link.id),
    links.map((link) => link.at),
    links.map((link) => link.actor),
    links.map((link) => link.tokenId),
    links.map((link) => link.clientAddress),
    links.map((link) => link.action),
    links.map((link) => link.resource),
    links.map((link) => link.decision),
    links.map((link) => link.policyVersion),
    links.map((link) => JSON.stringify(link.detail)),
    links.map((link) => link.requestId),
    links.map((link) => link.previousHash),
    links.map((link) => link.hash),
  ]);
}

const INSERT = `
  INSERT INTO audit_event (seq, id, at, actor, token_id, client_address, action, resource, decision, policy_version,
    detail, request_id, previous_hash, hash)
  SELECT seq, id, at, actor, token_id, client_address, action, resource, decision, policy_version, detail, request_id,
    decode(previous_hash, 'hex'), decode(hash, 'hex')
  FROM unnest($1::bigint[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
    $9::text[], $10::text[], $11::jsonb[], $12::text[], $13::text[], $14::text[])
    AS link (seq, id, at, actor, token_id, client_address, action, resource, decision, policy_version, detail,
      request_id, previous_hash, hash)`;

/** Exactly what will be stored: what the hash covers must be what the table gives back. */
function toChained(event: AuditEvent, seq: number, at: string): ChainedEvent {
  return {
    seq,
    id: newId(),
    at,
    actor: line(event.actor),
    tokenId: optionalLine(event.tokenId),
    clientAddress: optionalLine(event.clientAddress),
    action: line(event.action),
    resource: line(event.resource),
    decision: event.decision,
    policyVersion: optionalLine(event.policyVersion ?? null),
    detail: storableJson(redactDetail(event.detail)),
    requestId: optionalLine(event.requestId),
  };
}

function line(text: string): string {
  return storableText(text.toWellFormed(), 1000);
}

function optionalLine(text: string | null): string | null {
  return text === null ? null : line(text);
}
