import { canonicalJson, type Evidence } from '@sluice/domain/policy';
import type { DataSource, EntityManager } from 'typeorm';
import { newId } from '../ids.ts';
import {
  type EvidenceItem,
  EvidenceStore,
  type EvidenceSubject,
  type StoredEvidence,
} from '../ports/evidence-store.ts';
import { writeEvent } from './outbox-writer.ts';
import { queryRows, storableJson } from './sql.ts';

export class PostgresEvidenceStore extends EvidenceStore {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  replace(subject: EvidenceSubject, producer: string, items: readonly EvidenceItem[]): Promise<boolean> {
    return this.#source.transaction((manager) => replaceEvidence(manager, subject, producer, items));
  }

  async list(subject: EvidenceSubject): Promise<StoredEvidence[]> {
    return select(this.#source, subject);
  }
}

/** {@link EvidenceStore.replace} as a part of the caller's transaction. */
export async function replaceEvidence(
  manager: EntityManager,
  subject: EvidenceSubject,
  producer: string,
  items: readonly EvidenceItem[],
): Promise<boolean> {
  await lockSubject(manager, subject);
  const existing = new Map((await select(manager, subject)).map((row) => [row.key, row]));
  const wanted = new Map(items.map(({ key, payload }) => [key, storableJson(payload)]));
  let changed = false;
  for (const [key, payload] of wanted) {
    const old = existing.get(key);
    const isSame = old !== undefined && contentOf(old.payload) === contentOf(payload);
    changed ||= !isSame;
    await upsert(manager, subject, { id: isSame ? old.id : newId(), producer, key, payload });
  }
  const gone = [...existing.keys()].filter((key) => !wanted.has(key));
  if (gone.length > 0) {
    changed = true;
    await manager.query('DELETE FROM evidence WHERE id = ANY ($1)', [
      gone.map((key) => existing.get(key)?.id),
    ]);
  }
  if (changed) {
    const { digest, repositoryId } = subject;
    await writeEvent(manager, 'evidence.changed', `${subject.kind} of ${digest}`, {
      digest,
      repositoryId,
    });
  }
  return changed;
}

/** Two reports about one subject must not mix; the rows may not exist yet, so they cannot be what is locked. */
async function lockSubject(manager: EntityManager, subject: EvidenceSubject): Promise<void> {
  await manager.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 1))`, [
    `evidence/${subject.kind}/${subject.repositoryId ?? ''}/${subject.digest}`,
  ]);
}

async function select(
  runner: DataSource | EntityManager,
  subject: EvidenceSubject,
): Promise<StoredEvidence[]> {
  return queryRows<StoredEvidence>(
    runner,
    `SELECT id, key, producer, payload, created_at AS "createdAt" FROM evidence
     WHERE digest = $1 AND kind = $2 AND repository_id IS NOT DISTINCT FROM $3 ORDER BY key`,
    [subject.digest, subject.kind, subject.repositoryId],
  );
}

async function upsert(
  manager: EntityManager,
  subject: EvidenceSubject,
  row: { id: string; producer: string; key: string; payload: Evidence },
): Promise<void> {
  await manager.query(
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
