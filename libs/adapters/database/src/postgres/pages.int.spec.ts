import { parseRepositoryName, type Digest } from '@sluice/domain/oci';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { TestDatabase } from '../testing/index.ts';
import { createTestDatabase } from '../testing/index.ts';
import { PipelinedConnections } from './pipelined-connections.ts';
import { PostgresRegistryReads } from './registry-reads.ts';

const REPOSITORY = parseRepositoryName('team/app/many');
const SUBJECT = `sha256:${'5'.repeat(64)}` as Digest;
const TYPE = 'application/vnd.example.rare';
const ROWS = 4_000;

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly 'Index Name'?: string;
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly Plans?: readonly Plan[];
}

describe('lists of a repository with thousands of tags and referrers', () => {
  let database: TestDatabase;
  let connections: PipelinedConnections;
  let statements: { readonly text: string; readonly values: unknown[] }[] = [];
  let reads: PostgresRegistryReads;
  beforeAll(async () => {
    database = await createTestDatabase();
    connections = new PipelinedConnections({ url: database.url });
    const recording = {
      query: (text: string, values: unknown[]): Promise<unknown> => {
        statements.push({ text, values });
        return database.source.query(text, values);
      },
    } as unknown as DataSource;
    reads = new PostgresRegistryReads(recording, connections);
    const { source } = database;
    await source.query(
      `INSERT INTO node (id, kind, path, lineage) VALUES (gen_random_uuid(), 'project', 'team/app', '{}')`,
    );
    await source.query(
      `INSERT INTO repository (id, project_id, name)
       SELECT gen_random_uuid(), id, 'team/app/' || name FROM node, unnest('{many,other}'::text[]) AS name`,
    );
    await source.query(
      `INSERT INTO manifest (id, repository_id, digest, media_type, artifact_type, subject_digest, kind, size, content)
       SELECT gen_random_uuid(), r.id, 'sha256:' || encode(sha256(number::text::bytea), 'hex'), 'x/y',
         CASE WHEN number % 1000 = 0 THEN $1 ELSE 'application/vnd.example.common' END, $2, 'artifact', 1, ''
       FROM repository r, generate_series(1, $3::int) AS number`,
      [TYPE, SUBJECT, ROWS],
    );
    await source.query(
      `INSERT INTO tag (repository_id, name, manifest_id)
       SELECT DISTINCT ON (r.id, number) r.id, 'v' || lpad(number::text, 6, '0'), m.id
       FROM repository r JOIN manifest m ON m.repository_id = r.id AND m.artifact_type = $1,
         generate_series(1, $2::int) AS number`,
      [TYPE, ROWS],
    );
  });
  afterAll(async () => {
    await connections.close();
    await database.close();
  });

  /** What a call costs: index scans and the rows they touch. A table that is read whole is an error. */
  async function costOf(call: () => Promise<unknown>): Promise<{ indexes: string[]; rows: number }> {
    statements = [];
    await call();
    const seen = { indexes: [] as string[], rows: 0 };
    for (const { text, values } of statements) {
      const [row] = await database.source.query<{ 'QUERY PLAN': [{ Plan: Plan }] }[]>(
        `EXPLAIN (ANALYZE, FORMAT JSON) ${text}`,
        values,
      );
      walk(row?.['QUERY PLAN'][0].Plan, seen);
    }
    return seen;
  }

  function walk(plan: Plan | undefined, seen: { indexes: string[]; rows: number }): void {
    if (plan === undefined) return;
    const relation = plan['Relation Name'];
    if (relation === 'tag' || relation === 'manifest') {
      expect([relation, plan['Node Type']]).not.toEqual([relation, 'Seq Scan']);
      expect(plan['Rows Removed by Filter'] ?? 0).toBe(0);
      seen.rows += plan['Actual Rows'] * plan['Actual Loops'];
    }
    if (plan['Index Name'] !== undefined) seen.indexes.push(plan['Index Name']);
    for (const child of plan.Plans ?? []) walk(child, seen);
  }

  describe.each(['before', 'after'])('%s the database has counted them', (when) => {
    beforeAll(async () => {
      if (when === 'after') await database.source.query('ANALYZE');
    });

    it('read no more of the tags than one page has, at the begin as at the end', async () => {
      for (const after of [null, `v${String(ROWS - 50).padStart(6, '0')}`]) {
        const { indexes, rows } = await costOf(() => reads.tags(REPOSITORY, after, 40));
        expect(indexes).toContain('tag_pkey');
        expect(rows).toBe(40);
      }
    });

    it('read no more referrers than one page has, at the begin as at the end', async () => {
      for (const after of [null, `sha256:f${'0'.repeat(63)}`]) {
        const { indexes, rows } = await costOf(() =>
          reads.referrers(REPOSITORY, SUBJECT, { artifactType: null, after, limit: 40 }),
        );
        expect(indexes).toContain('manifest_subject');
        // One to know whether there are more; each once to choose and once to read.
        expect(rows).toBe(82);
      }
    });

    it('find the few referrers of one type without looking at the others', async () => {
      const { indexes, rows } = await costOf(() =>
        reads.referrers(REPOSITORY, SUBJECT, { artifactType: TYPE, after: null, limit: 40 }),
      );
      expect(indexes).toContain('manifest_subject_type');
      // Once to choose; to read them again, by whichever index the planner likes, at most as many as a page has.
      expect(rows).toBeLessThanOrEqual(ROWS / 1_000 + 41);
    });
  });

  it('give the tags of their repository in order, and no other ones', async () => {
    const all = await reads.tags(REPOSITORY, null, ROWS * 3);
    expect(all?.length).toBe(ROWS);
    expect(all).toEqual(all?.toSorted());
    expect(await reads.tags(REPOSITORY, all?.at(-2) ?? null, 40)).toEqual(all?.slice(-1));
    expect(await reads.tags(REPOSITORY, 'z', 40)).toEqual([]);
  });

  it('end a page of referrers early when their manifests are large together, and say that there is more', async () => {
    await database.source.query(
      `UPDATE manifest SET size = 4194304 WHERE repository_id = (SELECT id FROM repository WHERE name = $1)
         AND artifact_type = $2`,
      [REPOSITORY, TYPE],
    );
    const ask = (after: string | null): ReturnType<PostgresRegistryReads['referrers']> =>
      reads.referrers(REPOSITORY, SUBJECT, { artifactType: TYPE, after, limit: 40 });
    const first = await ask(null);
    expect([first.referrers.length, first.hasMore]).toEqual([2, true]);
    const second = await ask(first.referrers.at(-1)?.digest ?? null);
    expect([second.referrers.length, second.hasMore]).toEqual([2, false]);
  });
});
