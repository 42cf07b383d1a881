import type { DataSource } from 'typeorm';
import { DenialList, type DenialQuery, type DenialRecord } from '../ports/denial-list.ts';
import { queryRows } from './sql.ts';

export class PostgresDenialList extends DenialList {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  list(query: DenialQuery): Promise<DenialRecord[]> {
    return queryRows<DenialRecord>(
      this.#source,
      // Ids are ordered by time of storing (UUID version 7).
      `SELECT id, at, principal_id AS "principalId", principal_name AS "principalName", repository, reference, digest,
         rule, reason, verdict_id AS "verdictId", client_address AS "clientAddress", user_agent AS "userAgent",
         request_id AS "requestId"
       FROM denial
       WHERE ($1::text IS NULL OR repository = $1)
         AND ($2::text IS NULL OR repository = $2 OR starts_with(repository, $2 || '/'))
         AND ($3::uuid IS NULL OR principal_id = $3) AND ($4::text IS NULL OR digest = $4)
         AND ($5::text IS NULL OR rule = $5)
         AND ($6::timestamptz IS NULL OR at >= $6) AND ($7::timestamptz IS NULL OR at < $7)
         AND ($8::uuid IS NULL OR id < $8)
       ORDER BY id DESC LIMIT $9`,
      [
        query.repository ?? null,
        query.under ?? null,
        query.principalId ?? null,
        query.digest ?? null,
        query.rule ?? null,
        query.since ?? null,
        query.until ?? null,
        query.after,
        query.limit,
      ],
    );
  }
}
