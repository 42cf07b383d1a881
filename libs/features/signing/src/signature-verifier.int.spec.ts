import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { BlobStorageError } from '@sluice/blob-storage';
import { MemoryBlobStorage } from '@sluice/blob-storage/memory';
import { type SignedSubject, newId } from '@sluice/database';
import {
  PostgresEvidenceStore,
  PostgresJobLedger,
  PostgresNodeStore,
  PostgresSignatureStore,
  PostgresTrustedKeyStore,
  queryRows,
} from '@sluice/database/postgres';
import { type TestDatabase, createTestDatabase } from '@sluice/database/testing';
import { parseNodePath } from '@sluice/domain/access';
import type { Digest } from '@sluice/domain/oci';
import type { SignatureEvidence } from '@sluice/domain/policy';
import { formatSignatureTag, parsePublicKey } from '@sluice/domain/signature';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { StoredSignatureContents } from './signature-contents.ts';
import { SignatureSweep } from './signature-sweep.ts';
import { SignatureVerifier, type VerificationResult } from './signature-verifier.ts';

const TESTDATA = new URL('../../../domain/src/signature/testdata/', import.meta.url);
const read = (name: string): Buffer => readFileSync(new URL(name, TESTDATA));
const digestOf = (bytes: Buffer): Digest =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
const { subject } = JSON.parse(read('digests.json').toString()) as { subject: Digest };
const TAG = formatSignatureTag(subject);

describe('SignatureVerifier', () => {
  let database: TestDatabase;
  let storage: MemoryBlobStorage;
  let keys: PostgresTrustedKeyStore;
  let evidence: PostgresEvidenceStore;
  let verifier: SignatureVerifier;
  let group: string;
  let project: string;
  let repositoryId: string;
  let now: Date;

  beforeAll(async () => {
    database = await createTestDatabase();
    keys = new PostgresTrustedKeyStore(database.source);
    evidence = new PostgresEvidenceStore(database.source);
    const nodes = new PostgresNodeStore(database.source);
    const path = parseNodePath('team/app');
    const [top, app] = await nodes.create({ kind: 'project', path, visibility: 'private' });
    [group, project] = [top?.id ?? '', app?.id ?? ''];
  });
  afterAll(async () => database.close());
  beforeEach(async () => {
    await database.source.query('TRUNCATE trusted_key, outbox, evidence, repository, blob CASCADE');
    storage = new MemoryBlobStorage();
    repositoryId = await createRepository('team/app/web');
    now = new Date('2026-01-01T00:00:00Z');
    const signatures = new PostgresSignatureStore(database.source);
    const contents = new StoredSignatureContents(signatures, storage);
    verifier = new SignatureVerifier(signatures, keys, contents, evidence, () => now);
  });

  const sql = (statement: string, parameters: unknown[]): Promise<unknown> =>
    database.source.query(statement, parameters);

  async function createRepository(name: string): Promise<string> {
    const id = newId();
    await sql('INSERT INTO repository (id, project_id, name) VALUES ($1, $2, $3)', [id, project, name]);
    return id;
  }

  async function pushBlob(bytes: Buffer, repository = repositoryId): Promise<void> {
    const key = storage.newKey();
    const body = (async function* (): AsyncGenerator<Buffer> {
      yield bytes;
    })();
    const { offset, state } = await storage.append({ key, offset: 0, state: null }, body);
    await storage.finish({ key, offset, state });
    await sql(
      `INSERT INTO blob (id, digest, size, object_key) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
      [newId(), digestOf(bytes), bytes.length, key],
    );
    await sql(
      `INSERT INTO repository_blob (repository_id, blob_id) SELECT $1, id FROM blob WHERE digest = $2
       ON CONFLICT DO NOTHING`,
      [repository, digestOf(bytes)],
    );
  }

  async function pushManifest(bytes: Buffer, tag?: string, repository = repositoryId): Promise<Digest> {
    const document = JSON.parse(bytes.toString()) as { artifactType?: string; subject?: { digest: string } };
    const id = newId();
    await sql(
      `INSERT INTO manifest (id, repository_id, digest, media_type, artifact_type, subject_digest, kind, size, content)
       VALUES ($1, $2, $3, 'application/vnd.oci.image.manifest.v1+json', $4, $5, 'signature', $6, $7)`,
      [id, repository, digestOf(bytes), document.artifactType, document.subject?.digest, bytes.length, bytes],
    );
    if (tag !== undefined) await setTag(tag, id, repository);
    return digestOf(bytes);
  }

  const setTag = (tag: string, manifestId: string, repository = repositoryId): Promise<unknown> =>
    sql(
      `INSERT INTO tag (repository_id, name, manifest_id) VALUES ($1, $2, $3)
       ON CONFLICT (repository_id, name) DO UPDATE SET manifest_id = excluded.manifest_id`,
      [repository, tag, manifestId],
    );

  async function pushLegacy(name: string, layers = 1): Promise<Digest> {
    for (let index = 0; index < layers; index += 1) await pushBlob(read(`${name}.payload-${index}.json`));
    return pushManifest(read(`${name}.sig.json`), TAG);
  }

  async function pushBundle(name: string): Promise<Digest> {
    await pushBlob(read(`${name}.bundle.json`));
    return pushManifest(read(`${name}.bundle-manifest.json`));
  }

  /** A referrer of the subject around any layer. */
  function referrer(blob: Buffer, change: object = {}): Buffer {
    const manifest = JSON.parse(read('p256.bundle-manifest.json').toString()) as { layers: object[] };
    const layer = { ...manifest.layers[0], digest: digestOf(blob), size: blob.length };
    return Buffer.from(JSON.stringify({ ...manifest, layers: [layer], ...change }));
  }

  async function trust(name: string, nodeId = project): Promise<string> {
    const { algorithm, pem, keyId } = parsePublicKey(read(`${name}.pub`).toString());
    return (await keys.add({ nodeId, name, algorithm, pem, keyId, createdBy: 'ada' }, 10)).id;
  }

  const verify = (
    about: Partial<SignedSubject> = {},
    signal = new AbortController().signal,
  ): Promise<VerificationResult> =>
    verifier.verifySubject({ repositoryId, digest: subject, ...about }, { signal, progress: () => {} });

  async function known(repository = repositoryId): Promise<{ key: string; payload: SignatureEvidence }[]> {
    const stored = await evidence.list({ digest: subject, repositoryId: repository, kind: 'signature' });
    return stored.map(({ key, payload }) => ({ key, payload: payload as SignatureEvidence }));
  }
  const reasons = async (): Promise<(string | undefined)[]> =>
    (await known()).map(({ payload }) => payload.reason?.split(':')[0]);
  const events = (type: string): Promise<{ payload: unknown }[]> =>
    queryRows(database.source, 'SELECT payload FROM outbox WHERE type = $1 ORDER BY seq', [type]);

  it('finds what cosign signed in both formats and names the trusted keys', async () => {
    const id = await trust('p256');
    const legacy = await pushLegacy('p256');
    const bundle = await pushBundle('p256');
    expect(await verify()).toEqual({ checked: 2, verified: 2, missing: 0 });
    const common = {
      kind: 'signature',
      signedDigest: subject,
      verified: true,
      trustedKeys: [id],
      reason: null,
      checkedAt: '2026-01-01T00:00:00.000Z',
    };
    expect(await known()).toEqual(
      [
        {
          key: `${legacy}#0`,
          payload: { ...common, format: 'cosign-legacy', source: legacy, predicateType: null },
        },
        {
          key: `${bundle}#0`,
          payload: {
            ...common,
            format: 'sigstore-bundle',
            source: bundle,
            predicateType: 'https://sigstore.dev/cosign/sign/v1',
          },
        },
      ].toSorted((left, right) => (left.key < right.key ? -1 : 1)),
    );
    expect(await events('evidence.changed')).toEqual([{ payload: { digest: subject, repositoryId } }]);
  });

  it('counts keys of the groups above, and none of a project beside it', async () => {
    await pushLegacy('p256');
    const nodes = new PostgresNodeStore(database.source);
    const [beside] = await nodes.create({
      kind: 'project',
      path: parseNodePath('team/beside'),
      visibility: 'private',
    });
    await trust('p256', beside?.id);
    expect(await verify()).toMatchObject({ verified: 0 });
    await trust('p256', group);
    expect(await verify()).toMatchObject({ verified: 1 });
  });

  it('changes nothing and tells nothing when it sees the same again', async () => {
    await trust('p256');
    await pushLegacy('p256');
    await verify();
    now = new Date('2026-02-02T00:00:00Z');
    await verify();
    expect(await events('evidence.changed')).toHaveLength(1);
    expect((await known())[0]?.payload.checkedAt).toBe('2026-02-02T00:00:00.000Z');
  });

  it('takes back what a key that is no longer trusted had verified, and gives it again with the key', async () => {
    const id = await trust('p256');
    await trust('stranger');
    await pushLegacy('p256');
    await verify();
    await keys.remove(id);
    await verify();
    expect(await reasons()).toEqual(['untrusted-key']);
    await trust('p256');
    expect(await verify()).toMatchObject({ verified: 1 });
  });

  it('checks each layer by itself and stores each under its index', async () => {
    await trust('p256');
    const source = await pushLegacy('two-signers', 2);
    expect(await verify()).toEqual({ checked: 2, verified: 1, missing: 0 });
    expect((await known()).map(({ key, payload }) => [key, payload.verified])).toEqual([
      [`${source}#0`, false],
      [`${source}#1`, true],
    ]);
  });

  it.each([
    ['an attestation', 'attestation', 'attestation'],
    ['a signature by a stranger', 'p384', 'untrusted-key'],
  ])('keeps %s as evidence that does not count, with the reason', async (_name, fixture, reason) => {
    await trust('p256');
    await pushBundle(fixture);
    expect(await verify()).toMatchObject({ checked: 1, verified: 0 });
    expect(await reasons()).toEqual([reason]);
  });

  it.each([
    ['other-digest.bundle.json', 'other-digest'],
    ['message-signature.bundle.json', 'message-signature'],
  ])('does not count a referrer of this digest around %s', async (file, reason) => {
    await trust('p256');
    await pushBlob(read(file));
    await pushManifest(referrer(read(file)));
    expect(await verify()).toMatchObject({ verified: 0 });
    expect(await reasons()).toEqual([reason]);
  });

  it('does not count the signature of another digest behind the tag of this one', async () => {
    await trust('p256');
    await pushLegacy('other-digest');
    expect(await verify()).toMatchObject({ verified: 0 });
    expect(await reasons()).toEqual(['other-digest']);
  });

  it('does not take referrers for signatures that carry no bundle', async () => {
    const blob = Buffer.from('{"spdxVersion":"SPDX-2.3"}');
    await pushBlob(blob);
    const layers = [{ mediaType: 'application/spdx+json', digest: digestOf(blob), size: blob.length }];
    await pushManifest(referrer(blob, { layers, artifactType: 'application/spdx+json' }));
    await pushManifest(
      Buffer.from(JSON.stringify({ mediaType: 'x', manifests: [], subject: { digest: subject } })),
    );
    expect(await verify()).toEqual({ checked: 0, verified: 0, missing: 0 });
    expect(await known()).toEqual([]);
  });

  it('looks at the type of the layer and not at the artifactType that is claimed', async () => {
    await trust('p256');
    await pushBlob(read('p256.bundle.json'));
    await pushManifest(referrer(read('p256.bundle.json'), { artifactType: 'text/plain' }));
    expect(await verify()).toMatchObject({ verified: 1 });
  });

  it('names what is broken: the manifest, the bundle, its size, its absence', async () => {
    await trust('p256');
    await pushManifest(Buffer.from(JSON.stringify({ layers: 'x' })), TAG);
    await pushBlob(Buffer.from('{'));
    await pushManifest(referrer(Buffer.from('{')));
    const large = Buffer.alloc(257 * 1024, ' ');
    await pushBlob(large);
    await pushManifest(referrer(large));
    await pushManifest(referrer(Buffer.from('never pushed')));
    const layers = [{ mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json', digest: 'x', size: 1 }];
    await pushManifest(referrer(large, { layers }));
    await pushManifest(referrer(large, { annotations: { long: 'x'.repeat(65 * 1024) } }));
    expect(await verify()).toEqual({ checked: 6, verified: 0, missing: 1 });
    expect((await reasons()).toSorted((left = '', right = '') => (left < right ? -1 : 1))).toEqual([
      'bundle-malformed',
      'content-missing',
      'content-too-large',
      'content-too-large',
      'manifest-malformed',
      'manifest-malformed',
    ]);
  });

  it('does not read a blob that another repository holds', async () => {
    await trust('p256');
    const other = await createRepository('team/app/other');
    await pushBlob(read('p256.bundle.json'), other);
    await pushManifest(read('p256.bundle-manifest.json'));
    expect(await verify()).toEqual({ checked: 1, verified: 0, missing: 1 });
    await pushBlob(read('p256.bundle.json'));
    expect(await verify()).toEqual({ checked: 1, verified: 1, missing: 0 });
  });

  it('files evidence under the repository: the same image elsewhere is not signed', async () => {
    await trust('p256');
    await pushLegacy('p256');
    const elsewhere = await createRepository('team/app/elsewhere');
    await verify();
    await verify({ repositoryId: elsewhere });
    expect(await known(elsewhere)).toEqual([]);
    expect(await known()).toHaveLength(1);
  });

  it('removes the evidence of signatures that are gone', async () => {
    await trust('p256');
    await pushLegacy('p256');
    const bundle = await pushBundle('p256');
    await verify();
    await sql('DELETE FROM manifest WHERE digest = $1', [bundle]);
    await verify();
    expect((await known()).map(({ payload }) => payload.format)).toEqual(['cosign-legacy']);
    await sql('DELETE FROM tag WHERE name = $1', [TAG]);
    await verify();
    expect(await known()).toEqual([]);
    expect(await events('evidence.changed')).toHaveLength(3);
  });

  it('replaces evidence when the tag moves on to a manifest with other signatures', async () => {
    await trust('p256');
    await pushLegacy('p256');
    await verify();
    await pushLegacy('two-signers', 2);
    await verify();
    expect((await known()).map(({ payload }) => payload.verified)).toEqual([false, true]);
  });

  it('reads no .sig tag for a sha512 digest, which can have none', async () => {
    const digest = `sha512:${'ab'.repeat(64)}` as Digest;
    expect(await verify({ digest })).toEqual({ checked: 0, verified: 0, missing: 0 });
  });

  it('keeps at most 1000 signatures, and says in the last that there are more', async () => {
    await trust('p256');
    const manifest = JSON.parse(read('p256.sig.json').toString()) as { layers: object[] };
    await pushBlob(read('p256.payload-0.json'));
    const [layer] = manifest.layers;
    await pushManifest(Buffer.from(JSON.stringify({ ...manifest, layers: Array(1000).fill(layer) })), TAG);
    await pushBundle('p256');
    expect(await verify()).toMatchObject({ checked: 1000, verified: 999 });
    expect((await reasons()).filter((reason) => reason !== undefined)).toEqual(['limit']);
  });

  it('finds a signature behind many other referrers', async () => {
    await trust('p256');
    await sql(
      `INSERT INTO manifest (id, repository_id, digest, media_type, subject_digest, kind, size, content)
       SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, $1, 'sha256:' || lpad(to_hex(n), 64, '0'),
         'x', $2, 'artifact', 2, '{}' FROM generate_series(1, 250) n`,
      [repositoryId, subject],
    );
    await pushBundle('p256');
    expect(await verify()).toEqual({ checked: 1, verified: 1, missing: 0 });
  });

  it('searches 10,000 referrers and says that it did not search more', async () => {
    await sql(
      `INSERT INTO manifest (id, repository_id, digest, media_type, subject_digest, kind, size, content)
       SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, $1, 'sha256:' || lpad(to_hex(n), 64, '0'),
         'x', $2, 'artifact', 2, '{}' FROM generate_series(1, 10001) n`,
      [repositoryId, subject],
    );
    expect(await verify()).toEqual({ checked: 1, verified: 0, missing: 0 });
    expect(await reasons()).toEqual(['limit']);
  });

  it('does not read blobs that are too large for a signature', async () => {
    const large = Buffer.alloc(257 * 1024, ' ');
    await pushBlob(large);
    await pushManifest(referrer(large));
    storage.read = () => Promise.reject(new Error('this was not to be read'));
    await verify();
    expect(await reasons()).toEqual(['content-too-large']);
  });

  it('stops between two signatures when it is told to, and leaves the evidence as it was', async () => {
    await trust('p256');
    await pushLegacy('p256');
    const reason = new Error('cancelled');
    await expect(verify({}, AbortSignal.abort(reason))).rejects.toBe(reason);
    expect(await known()).toEqual([]);
  });

  it('fails, and leaves the evidence as it was, when the storage fails', async () => {
    await trust('p256');
    await pushLegacy('p256');
    await verify();
    storage.read = () => Promise.reject(new BlobStorageError('STORAGE_FAILED', 'no'));
    await expect(verify()).rejects.toMatchObject({ code: 'STORAGE_FAILED' });
    expect((await known())[0]?.payload.verified).toBe(true);
  });

  it('calls content missing whose object the storage has lost', async () => {
    await trust('p256');
    await pushLegacy('p256');
    storage.read = () => Promise.reject(new BlobStorageError('OBJECT_MISSING', 'no'));
    expect(await verify()).toMatchObject({ missing: 1 });
  });

  describe('a sweep', () => {
    /** The subjects whose verification is queued afterwards. */
    const collect = async (nodeId: string): Promise<SignedSubject[]> => {
      await sql('TRUNCATE job', []);
      const sweep = new SignatureSweep(
        new PostgresSignatureStore(database.source),
        new PostgresJobLedger(database.source),
      );
      await sweep.sweep(nodeId, { signal: new AbortController().signal, progress: () => undefined });
      const jobs = await sql(`SELECT payload FROM job WHERE kind = 'signature.verify' ORDER BY key`, []);
      return (jobs as { payload: SignedSubject }[]).map(({ payload }) => payload);
    };

    it('queues what has signatures below a node, verified or not, once', async () => {
      await pushLegacy('two-signers', 2);
      await verify();
      expect(await collect(group)).toEqual([{ repositoryId, digest: subject }]);
      expect(await collect(project)).toEqual([{ repositoryId, digest: subject }]);
      expect(await collect(randomUUID())).toEqual([]);
    });

    it('queues all of many, page by page', async () => {
      await sql(
        `INSERT INTO evidence (id, repository_id, digest, kind, key, producer, payload)
         SELECT gen_random_uuid(), $1, 'sha256:' || lpad(to_hex(n), 64, '0'), 'signature', k, 'x', '{}'
         FROM generate_series(1, 1001) n, unnest(ARRAY['a', 'b']) k`,
        [repositoryId],
      );
      const digests = (await collect(group)).map(({ digest }) => digest);
      expect(digests).toHaveLength(1001);
      expect(new Set(digests).size).toBe(1001);
    });
  });

  describe('a .sig tag that goes', () => {
    const removed = () => events('signatures.removed');

    it.each([
      ['by its name', 'DELETE FROM tag'],
      ['with its manifest', 'DELETE FROM manifest'],
    ])('%s writes an event that names the digest whose signatures it held', async (_name, statement) => {
      await pushLegacy('p256');
      await sql(statement, []);
      expect(await removed()).toEqual([{ payload: { repositoryId, digest: subject } }]);
    });

    it('is the only kind of tag that does', async () => {
      await pushBlob(read('p256.payload-0.json'));
      const manifest = read('p256.sig.json');
      for (const tag of ['latest', `${TAG}.x`, TAG.replace('.sig', '.att')])
        await pushManifest(manifest, tag, await createRepository(`team/app/${tag.toLowerCase()}`));
      await sql('DELETE FROM tag', []);
      expect(await removed()).toEqual([]);
    });
  });
});
