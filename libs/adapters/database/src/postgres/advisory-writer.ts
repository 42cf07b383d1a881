import { type Advisory, type AffectedPackage, baseEcosystem } from '@sluice/domain/vulnerability';
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

  /** A set-based statement for each step, so that a batch of any size is a handful of round trips. */
  async write(entries: readonly AdvisoryEntry[]): Promise<void> {
    // The last one counts when a file names an id twice.
    const byId = new Map(entries.map((entry) => [entry.advisory.id, entry]));
    const stored = await this.#storedParts([...byId.keys()]);
    const fresh: Part[] = [];
    for (const entry of byId.values()) {
      const old = stored.get(entry.advisory.id) ?? [];
      const parts = partsOf(entry, old);
      const changed = parts.filter((part) => !isStored(part, old));
      const isKnown = parts.some((part) => old.some(({ key }) => key === part.key));
      this.#count(entry, isKnown, changed.length > 0);
      fresh.push(...changed);
    }
    if (fresh.length === 0) return;
    const keys = fresh.map(({ key }) => key);
    await this.#touch(keys);
    await this.#manager.query('DELETE FROM advisory_affected WHERE advisory_key = ANY ($1)', [keys]);
    await this.#upsertAdvisories(fresh);
    await this.#insertAffected(fresh);
    await this.#touch(keys);
  }

  #count({ advisory }: AdvisoryEntry, isKnown: boolean, isChanged: boolean): void {
    if (!isChanged) {
      this.counts.unchanged += 1;
      return;
    }
    this.counts[isKnown ? 'changed' : 'added'] += 1;
    if (advisory.withdrawn !== null) this.counts.withdrawn += 1;
  }

  async #storedParts(ids: readonly string[]): Promise<Map<string, StoredPart[]>> {
    const rows = await queryRows<StoredPart & { id: string }>(
      this.#manager,
      'SELECT id, key, content_hash AS "contentHash" FROM advisory WHERE id = ANY ($1)',
      [ids],
    );
    return Map.groupBy(rows, (row) => row.id);
  }

  /** What a record said before and what it says now are both news for the images that have those packages. */
  async #touch(keys: readonly string[]): Promise<void> {
    await this.#manager.query(
      `INSERT INTO advisory_touched (revision, ecosystem, name)
       SELECT DISTINCT $1::bigint, ecosystem, name FROM advisory_affected WHERE advisory_key = ANY ($2)
       ON CONFLICT DO NOTHING`,
      [this.#revision, keys],
    );
  }

  async #upsertAdvisories(parts: readonly Part[]): Promise<void> {
    const rows = parts.map(({ key, advisory, contentHash }) => ({
      key,
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
         (key, id, revision, modified, published, withdrawn, aliases, upstream, summary, content_hash)
       SELECT key, id, $1::bigint, modified, published, withdrawn, aliases, upstream, summary,
         decode(content_hash, 'hex')
       FROM jsonb_to_recordset($2::jsonb) AS r (key text, id text, modified timestamptz, published timestamptz,
         withdrawn timestamptz, aliases jsonb, upstream jsonb, summary text, content_hash text)
       ON CONFLICT (key) DO UPDATE SET revision = excluded.revision, modified = excluded.modified,
         published = excluded.published, withdrawn = excluded.withdrawn, aliases = excluded.aliases,
         upstream = excluded.upstream, summary = excluded.summary, content_hash = excluded.content_hash`,
      [this.#revision, JSON.stringify(rows)],
    );
  }

  async #insertAffected(parts: readonly Part[]): Promise<void> {
    const rows = parts.flatMap(({ key, affected }) =>
      affected.map(({ ecosystem, name, ranges, versions, rating }, position) => ({
        advisory_key: key,
        position,
        ecosystem,
        name,
        ranges,
        versions,
        severity: rating.severity,
        score: rating.score,
      })),
    );
    await this.#manager.query(
      `INSERT INTO advisory_affected
         (advisory_key, position, ecosystem, name, ranges, versions, severity, score)
       SELECT * FROM jsonb_to_recordset($1::jsonb) AS r (advisory_key text, position integer, ecosystem text,
         name text, ranges jsonb, versions jsonb, severity text, score double precision)`,
      [JSON.stringify(rows)],
    );
  }
}

/** What one record says of one ecosystem. */
interface Part {
  /** `<ecosystem>/<id>` */
  readonly key: string;
  readonly advisory: Advisory;
  readonly affected: readonly AffectedPackage[];
  readonly contentHash: Buffer;
}

interface StoredPart {
  readonly key: string;
  readonly contentHash: Buffer;
}

/** A record that names no package any more takes back whatever was stored under its id. */
function partsOf({ advisory, contentHash }: AdvisoryEntry, stored: readonly StoredPart[]): Part[] {
  const byEcosystem = Map.groupBy(advisory.affected, (row) => baseEcosystem(row.ecosystem));
  if (byEcosystem.size === 0) {
    const keys = stored.length > 0 ? stored.map(({ key }) => key) : [`/${advisory.id}`];
    return keys.map((key) => ({ key, advisory, affected: [], contentHash }));
  }
  return [...byEcosystem].map(([ecosystem, affected]) => ({
    key: `${ecosystem}/${advisory.id}`,
    advisory,
    affected,
    contentHash,
  }));
}

function isStored(part: Part, stored: readonly StoredPart[]): boolean {
  return stored.some(({ key, contentHash }) => key === part.key && contentHash.equals(part.contentHash));
}
