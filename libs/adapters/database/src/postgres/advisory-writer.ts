import type { Advisory } from '@sluice/domain/vulnerability';
import type { EntityManager } from 'typeorm';
import type { AdvisoryEntry } from '../ports/advisory-store.ts';
import { queryRows } from './sql.ts';

/** Writes the records of one import inside of its transaction and counts what they changed. */
export class AdvisoryWriter {
  readonly #manager: EntityManager;
  readonly #revision: number;
  readonly counts = { added: 0, changed: 0, withdrawn: 0, unchanged: 0 };

  constructor(manager: EntityManager, revision: number) {
    this.#manager = manager;
    this.#revision = revision;
  }

  /** A set-based statement for each step, so that a batch of any size is five round trips. */
  async write(entries: readonly AdvisoryEntry[]): Promise<void> {
    // The last one counts when a file names an id twice.
    const byId = new Map(entries.map((entry) => [entry.advisory.id, entry]));
    const stored = await this.#storedHashes([...byId.keys()]);
    const fresh = [...byId.values()].filter(
      ({ advisory, contentHash }) => stored.get(advisory.id)?.equals(contentHash) !== true,
    );
    this.#count(fresh, byId.size, stored);
    if (fresh.length === 0) return;
    const ids = fresh.map(({ advisory }) => advisory.id);
    await this.#touchStored(ids);
    await this.#manager.query('DELETE FROM advisory_affected WHERE advisory_id = ANY ($1)', [ids]);
    await this.#upsertAdvisories(fresh);
    await this.#insertAffected(fresh.map(({ advisory }) => advisory));
    await this.#touchStored(ids);
  }

  #count(fresh: readonly AdvisoryEntry[], total: number, stored: ReadonlyMap<string, Buffer>): void {
    const changed = fresh.filter(({ advisory }) => stored.has(advisory.id)).length;
    this.counts.changed += changed;
    this.counts.added += fresh.length - changed;
    this.counts.unchanged += total - fresh.length;
    this.counts.withdrawn += fresh.filter(({ advisory }) => advisory.withdrawn !== null).length;
  }

  async #storedHashes(ids: readonly string[]): Promise<Map<string, Buffer>> {
    const rows = await queryRows<{ id: string; content_hash: Buffer }>(
      this.#manager,
      'SELECT id, content_hash FROM advisory WHERE id = ANY ($1)',
      [ids],
    );
    return new Map(rows.map((row) => [row.id, row.content_hash]));
  }

  /** What a record said before and what it says now are both news for the images that have those packages. */
  async #touchStored(ids: readonly string[]): Promise<void> {
    await this.#manager.query(
      `INSERT INTO advisory_touched (revision, ecosystem, name)
       SELECT DISTINCT $1::bigint, ecosystem, name FROM advisory_affected WHERE advisory_id = ANY ($2)
       ON CONFLICT DO NOTHING`,
      [this.#revision, ids],
    );
  }

  async #upsertAdvisories(entries: readonly AdvisoryEntry[]): Promise<void> {
    const rows = entries.map(({ advisory, contentHash }) => ({
      id: advisory.id,
      modified: advisory.modified,
      published: advisory.published,
      withdrawn: advisory.withdrawn,
      aliases: advisory.aliases,
      upstream: advisory.upstream,
      summary: advisory.summary,
      content_hash: contentHash.toString('hex'),
    }));
    await this.#manager.query(
      `INSERT INTO advisory
         (id, revision, modified, published, withdrawn, aliases, upstream, summary, content_hash)
       SELECT id, $1::bigint, modified, published, withdrawn, aliases, upstream, summary, decode(content_hash, 'hex')
       FROM jsonb_to_recordset($2::jsonb) AS r (id text, modified timestamptz, published timestamptz,
         withdrawn timestamptz, aliases jsonb, upstream jsonb, summary text, content_hash text)
       ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, modified = excluded.modified,
         published = excluded.published, withdrawn = excluded.withdrawn, aliases = excluded.aliases,
         upstream = excluded.upstream, summary = excluded.summary, content_hash = excluded.content_hash`,
      [this.#revision, JSON.stringify(rows)],
    );
  }

  async #insertAffected(advisories: readonly Advisory[]): Promise<void> {
    const rows = advisories.flatMap((advisory) =>
      advisory.affected.map((affected, position) => ({
        advisory_id: advisory.id,
        position,
        ecosystem: affected.ecosystem,
        name: affected.name,
        ranges: affected.ranges,
        versions: affected.versions,
        severity: affected.rating.severity,
        score: affected.rating.score,
      })),
    );
    await this.#manager.query(
      `INSERT INTO advisory_affected
         (advisory_id, position, ecosystem, name, ranges, versions, severity, score)
       SELECT * FROM jsonb_to_recordset($1::jsonb) AS r (advisory_id text, position integer, ecosystem text,
         name text, ranges jsonb, versions jsonb, severity text, score double precision)`,
      [JSON.stringify(rows)],
    );
  }
}
