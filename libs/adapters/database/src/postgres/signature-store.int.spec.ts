import type { Digest } from '@sluice/domain/oci';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../ids.ts';
import { createTestDatabase, seedArtifact, type TestDatabase } from '../testing/index.ts';
import { PostgresSignatureStore } from './signature-store.ts';

const DIGEST = `sha256:${'a'.repeat(64)}` as Digest;
const TAG = `sha256-${'a'.repeat(64)}.sig`;

describe('whether anything may be a signature of a digest', () => {
  let database: TestDatabase;
  let store: PostgresSignatureStore;
  let projectId: string;
  beforeAll(async () => {
    database = await createTestDatabase();
    store = new PostgresSignatureStore(database.source);
    projectId = newId();
    await database.source.query(
      `INSERT INTO node (id, kind, path, lineage) VALUES ($1, 'project', 'team', ARRAY[$1::uuid])`,
      [projectId],
    );
  });
  afterAll(async () => database.close());

  /** A repository that has one artifact, and what is said of the digest there. */
  const saidIn = async (name: string, more: object): Promise<boolean> => {
    const { repositoryId } = await seedArtifact(database.source, {
      projectId,
      repository: `team/${name}`,
      ...more,
    });
    return store.maySign({ repositoryId, digest: DIGEST }, TAG);
  };

  it('no, where nothing of the repository has to do with it', async () => {
    expect(await saidIn('empty', { tags: ['v1'] })).toBe(false);
  });

  it('yes, where its tag is set or it is the subject of something', async () => {
    expect(await saidIn('tagged', { tags: [TAG] })).toBe(true);
    expect(await saidIn('referred', { subjectDigest: DIGEST })).toBe(true);
    expect(await saidIn('elsewhere', {}), 'another repository').toBe(false);
  });

  it('yes, where a signature was known that is gone: its evidence has to go as well', async () => {
    const { repositoryId } = await seedArtifact(database.source, { projectId, repository: 'team/gone' });
    await database.source.query(
      `INSERT INTO evidence (id, repository_id, digest, kind, key, producer, payload)
       VALUES ($1, $2, $3, 'signature', '', 'test/1', '{}')`,
      [newId(), repositoryId, DIGEST],
    );
    expect(await store.maySign({ repositoryId, digest: DIGEST }, TAG)).toBe(true);
  });
});
