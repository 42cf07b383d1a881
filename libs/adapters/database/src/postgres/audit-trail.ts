import { CHAIN_START, type ChainHead, type ChainLink } from '@sluice/domain/audit';
import type { DataSource } from 'typeorm';
import { type AuditQuery, AuditTrail } from '../ports/audit-trail.ts';
import { queryRows } from './sql.ts';

export class PostgresAuditTrail extends AuditTrail {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  async list(query: AuditQuery): Promise<ChainLink[]> {
    const rows = await queryRows<LinkRow>(
      this.#source,
      `SELECT ${COLUMNS} FROM audit_event
       WHERE ($1::text IS NULL OR actor = $1) AND ($2::text IS NULL OR action = $2)
         AND ($3::text IS NULL OR resource = $3)
         AND ($4::text IS NULL OR resource = $4 OR starts_with(resource, $4 || '/') OR starts_with(resource, $4 || '@')
           OR starts_with(resource, $4 || ':'))
         AND ($5::text IS NULL OR decision = $5)
         AND ($6::timestamptz IS NULL OR at >= $6) AND ($7::timestamptz IS NULL OR at < $7)
         AND ($8::bigint IS NULL OR seq < $8)
       ORDER BY seq DESC LIMIT $9`,
      [
        query.actor ?? null,
        query.action ?? null,
        query.resource ?? null,
        query.under ?? null,
        query.decision ?? null,
        query.since ?? null,
        query.until ?? null,
        query.after,
        query.limit,
      ],
    );
    return rows.map(toLink);
  }

  async read(afterSeq: number, limit: number): Promise<ChainLink[]> {
    const rows = await queryRows<LinkRow>(
      this.#source,
      `SELECT ${COLUMNS} FROM audit_event WHERE seq > $1 ORDER BY seq LIMIT $2`,
      [afterSeq, limit],
    );
    return rows.map(toLink);
  }

  async head(): Promise<ChainHead> {
    const rows = await queryRows<{ seq: string; hash: Buffer }>(
      this.#source,
      'SELECT seq, hash FROM audit_event ORDER BY seq DESC LIMIT 1',
    );
    return rows[0] === undefined
      ? CHAIN_START
      : { seq: Number(rows[0].seq), hash: rows[0].hash.toString('hex') };
  }
}

const COLUMNS = `seq, id, at, actor, token_id, client_address, action, resource, decision, policy_version, detail,
  request_id, previous_hash, hash`;

interface LinkRow {
  /** bigint comes as text */
  seq: string;
  id: string;
  at: Date;
  actor: string;
  token_id: string | null;
  client_address: string | null;
  action: string;
  resource: string;
  decision: string;
  policy_version: string | null;
  detail: unknown;
  request_id: string | null;
  previous_hash: Buffer;
  hash: Buffer;
}

function toLink(row: LinkRow): ChainLink {
  return {
    event: {
      seq: Number(row.seq),
      id: row.id,
      at: row.at.toISOString(),
      actor: row.actor,
      tokenId: row.token_id,
      clientAddress: row.client_address,
      action: row.action,
      resource: row.resource,
      decision: row.decision,
      policyVersion: row.policy_version,
      detail: row.detail,
      requestId: row.request_id,
    },
    previousHash: row.previous_hash.toString('hex'),
    hash: row.hash.toString('hex'),
  };
}
