import { canonicalJson, type Evidence } from '@sluice/domain/policy';
import { newId } from '../ids.ts';
import {
  type EvidenceItem,
  EvidenceStore,
  type EvidenceSubject,
  type StoredEvidence,
} from '../ports/evidence-store.ts';
import type { StatementRunner } from '../statement-runner.ts';
import type { Database } from './database.ts';
import { writeEvent } from './outbox-writer.ts';
import { queryRows, storableJson } from './sql.ts';
import { inTransaction } from './transaction.ts';

export class PostgresEvidenceStore extends EvidenceStore {
  readonly #source: Database;

  constructor(source: Database) {
    super();
    this.#source = source;
  }

  replace(subject: EvidenceSubject, producer: string, items: readonly EvidenceItem[]): Promise<boolean> {
    return inTransaction(this.#source, async (transaction) => {
      const locked = await lockEvidence(transaction, subject);
      return transaction.finish(writeEvidence(transaction, subject, producer, items, locked));
    });
  }

  async list(subject: EvidenceSubject): Promise<StoredEvidence[]> {
    return select(this.#source, subject);
  }
}

/** Holds what is known of the subject until the transaction ends, and returns it. */
export async function lockEvidence(
  runner: StatementRunner,
  subject: EvidenceSubject,
): Promise<readonly StoredEvidence[]> {
  // Two reports about one subject must not mix; the rows may not exist yet, so they cannot be what is locked.
  const [, existing] = await Promise.all([
    runner.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 1))`, [
      `evidence/${subject.kind}/${subject.repositoryId ?? ''}/${subject.digest}`,
    ]),
    select(runner, subject),
  ]);
  return existing;
}

/**
 * Writes what is new against `locked`, see {@link lockEvidence}, in one go.
 *
 * @returns whether anything changed, in which case the world is told
 */
export async function writeEvidence(
  runner: StatementRunner,
  subject: EvidenceSubject,
  producer: string,
  items: readonly EvidenceItem[],
  locked: readonly StoredEvidence[],
): Promise<boolean> {
  const existing = new Map(locked.map((row) => [row.key, row]));
  const wanted = new Map(items.map(({ key, payload }) => [key, storableJson(payload)]));
  const gone = [...existing.keys()].filter((key) => !wanted.has(key));
  let changed = gone.length > 0;
  const writes: Promise<unknown>[] = [];
  for (const [key, payload] of wanted) {
    const old = existing.get(key);
    const isSame = old !== undefined && contentOf(old.payload) === contentOf(payload);
    changed ||= !isSame;
    writes.push(upsert(runner, subject, { id: isSame ? old.id : newId(), producer, key, payload }));
  }
  if (gone.length > 0) {
    const ids = gone.map((key) => existing.get(key)?.id);
    writes.push(runner.query('DELETE FROM evidence WHERE id = ANY ($1)', [ids]));
  }
  if (changed) {
    const { digest, repositoryId } = subject;
    const event = { digest, repositoryId };
    writes.push(writeEvent(runner, 'evidence.changed', `${subject.kind} of ${digest}`, event));
  }
  await Promise.all(writes);
  return changed;
}

async function select(runner: StatementRunner, subject: EvidenceSubject): Promise<StoredEvidence[]> {
  return queryRows<StoredEvidence>(
    runner,
    `SELECT id, key, producer, payload, created_at AS "createdAt" FROM evidence
     WHERE digest = $1 AND kind = $2 AND repository_id IS NOT DISTINCT FROM $3 ORDER BY key`,
    [subject.digest, subject.kind, subject.repositoryId],
  );
}

async function upsert(
  runner: StatementRunner,
  subject: EvidenceSubject,
  row: { id: string; producer: string; key: string; payload: Evidence },
): Promise<void> {
  await runner.query(
    `INSERT INTO evidence (id, repository_id, digest, kind, key, producer, payload)
     VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (digest, kind, repository_id, key) DO UPDATE
       SET id = excluded.id, producer = excluded.producer, payload = excluded.payload, created_at = now()`,
    [
      row.id,
      subject.repositoryId,
      subject.digest,
      subject.kind,
      row.key,
      row.producer,
      JSON.stringify(row.payload),
    ],
  );
}

/** The evidence without the time at which it was looked: a second look that sees the same changes nothing. */
function contentOf(evidence: Evidence): string {
  const {
    scannedAt: _scannedAt,
    checkedAt: _checkedAt,
    ...content
  } = evidence as Evidence & {
    scannedAt?: string;
    checkedAt?: string;
  };
  return canonicalJson(content);
}
