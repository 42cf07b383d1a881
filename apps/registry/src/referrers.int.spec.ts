import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  digestOf,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
  TestClient,
} from './testing/test-client.ts';
import { TestRegistry } from './testing/test-registry.ts';

const EMPTY_CONFIG = { mediaType: 'application/vnd.oci.empty.v1+json', digest: digestOf('{}'), size: 2 };

describe('manifests with a subject', () => {
  let registry: TestRegistry;
  let dev: TestClient;
  beforeAll(async () => {
    registry = await TestRegistry.start();
    dev = await TestClient.maintainer(registry);
  });
  afterAll(async () => registry.close());

  const url = (repository: string, reference: string): string => `/v2/${repository}/manifests/${reference}`;
  const events = async (digest: string): Promise<{ type: string; payload: Record<string, unknown> }[]> =>
    registry.database.source.query(
      `SELECT type, payload FROM outbox WHERE payload ->> 'digest' = $1 ORDER BY seq`,
      [digest],
    );
  const subject = { mediaType: OCI_MANIFEST, digest: digestOf('a subject that is not there'), size: 9 };

  it('are answered with OCI-Subject and listed as referrers, by type if asked', async () => {
    const own = await dev.pushImage('team/app/refer', 'a', {
      subject,
      artifactType: 'application/x',
      annotations: { k: 'v' },
    });
    const derived = await dev.pushImage('team/app/refer', 'b', { subject });
    const document = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [], subject };
    const answer = await dev.putManifest('team/app/refer', 'c', document, OCI_INDEX);
    expect(answer.headers.get('oci-subject')).toBe(subject.digest);

    const list = async (query = ''): Promise<{ headers: Headers; manifests: Record<string, unknown>[] }> => {
      const { headers, body } = await dev.request(
        'GET',
        `/v2/team/app/refer/referrers/${subject.digest}${query}`,
      );
      return { headers, ...(JSON.parse(body.toString()) as { manifests: Record<string, unknown>[] }) };
    };
    const all = await list();
    expect(all.headers.get('content-type')).toBe(OCI_INDEX);
    expect(all.manifests).toHaveLength(3);
    const byDigest = new Map(all.manifests.map((entry) => [entry['digest'], entry]));
    expect(byDigest.get(own.digest)).toEqual({
      mediaType: OCI_MANIFEST,
      digest: own.digest,
      size: own.manifest.length,
      artifactType: 'application/x',
      annotations: { k: 'v' },
    });
    expect(byDigest.get(derived.digest)).toMatchObject({ artifactType: OCI_CONFIG });
    expect(byDigest.get(digestOf(JSON.stringify(document)))).not.toHaveProperty('artifactType');
    const filtered = await list('?artifactType=application/x');
    expect(filtered.headers.get('oci-filters-applied')).toBe('artifactType');
    expect(filtered.manifests.map((entry) => entry['digest'])).toEqual([own.digest]);
  });

  it('may come before their blobs (cosign load), and are announced again when they are whole', async () => {
    const layer = { mediaType: OCI_LAYER, digest: digestOf('late layer'), size: 10 };
    const config = { mediaType: OCI_CONFIG, digest: digestOf('late config'), size: 11 };
    const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer], subject };
    await dev.pushBlob('team/app/late', 'x');
    expect((await dev.putManifest('team/app/late', 'sig', document)).status).toBe(201);
    const digest = digestOf(JSON.stringify(document));
    await dev.pushBlob('team/app/late', 'late layer');
    expect(await events(digest)).toHaveLength(1);
    await dev.pushBlob('team/app/late', 'late config');
    expect(await events(digest)).toMatchObject([{ payload: { tags: ['sig'] } }, { payload: { tags: [] } }]);
    const rows = await registry.database.source.query<{ role: string; digest: string }[]>(
      `SELECT mb.role, b.digest FROM manifest_blob mb JOIN blob b ON b.id = mb.blob_id
       JOIN manifest m ON m.id = mb.manifest_id WHERE m.digest = $1 ORDER BY mb.position`,
      [digest],
    );
    expect(rows).toEqual([
      { role: 'config', digest: config.digest },
      { role: 'layer', digest: layer.digest },
    ]);
  });

  describe('listed under the tag of old clients as well (distribution-spec, "Enabling the Referrers API")', () => {
    const artifact = (of: object, name: string): object => ({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType: `application/vnd.example.${name}`,
      config: EMPTY_CONFIG,
      layers: [],
      subject: of,
    });
    const entry = (document: object): { mediaType: string; digest: string; size: number } => {
      const text = JSON.stringify(document);
      return { mediaType: OCI_MANIFEST, digest: digestOf(text), size: text.length };
    };
    const listed = async (repository: string, digest: string): Promise<string[]> => {
      const answer = await dev.request('GET', `/v2/${repository}/referrers/${digest}`);
      const { manifests } = JSON.parse(answer.body.toString()) as { manifests: { digest: string }[] };
      return manifests.map((manifest) => manifest.digest).sort();
    };

    it.each(['sha256', 'sha512'])(
      'are referrers of a %s subject, whether the list, the subject or they came first',
      async (algorithm) => {
        const repository = `team/app/listed-${algorithm}`;
        await dev.pushBlob(repository, '{}');
        const image = { schemaVersion: 2, mediaType: OCI_MANIFEST, config: EMPTY_CONFIG, layers: [] };
        const text = JSON.stringify({ ...image, annotations: { of: algorithm } });
        const of = { mediaType: OCI_MANIFEST, digest: digestOf(text, algorithm), size: text.length };
        const [before, after] = [artifact(of, 'before'), artifact(of, 'after')];
        const unrelated = artifact({ ...of, digest: digestOf('other') }, 'unrelated');
        const tag = of.digest.replace(':', '-').slice(0, algorithm.length + 1 + 64);
        const list = {
          schemaVersion: 2,
          mediaType: OCI_INDEX,
          manifests: [before, after, unrelated].map(entry),
        };
        await dev.putManifest(repository, entry(before).digest, before);
        await dev.putManifest(repository, entry(unrelated).digest, unrelated);
        expect((await dev.putManifest(repository, tag, list, OCI_INDEX)).status).toBe(201);
        expect(await listed(repository, of.digest)).toEqual([entry(before).digest]);
        await dev.putManifest(repository, entry(after).digest, after);
        await dev.request('PUT', url(repository, of.digest), {
          headers: { 'content-type': OCI_MANIFEST },
          body: text,
        });
        const both = [before, after].map((document) => entry(document).digest).sort();
        expect(await listed(repository, of.digest)).toEqual(both);
      },
    );

    it('can be deleted while they are listed; other indexes hold what they name', async () => {
      const repository = 'team/app/listed';
      await dev.pushBlob(repository, '{}');
      const of = { mediaType: OCI_MANIFEST, digest: digestOf('any'), size: 3 };
      const document = artifact(of, 'x');
      const { digest } = entry(document);
      await dev.putManifest(repository, digest, document);
      const list = { schemaVersion: 2, mediaType: OCI_INDEX, manifests: [entry(document)] };
      const tag = of.digest.replace(':', '-');
      await dev.putManifest(repository, 'held', { ...list, annotations: { a: 'b' } }, OCI_INDEX);
      await dev.putManifest(repository, tag, list, OCI_INDEX);
      expect((await dev.request('DELETE', url(repository, digest))).status).toBe(405);
      const held = await dev.request('HEAD', url(repository, 'held'));
      await dev.request('DELETE', url(repository, held.headers.get('docker-content-digest') ?? ''));
      expect((await dev.request('DELETE', url(repository, digest))).status).toBe(202);
      expect(await listed(repository, of.digest)).toEqual([]);
      expect((await dev.request('HEAD', url(repository, tag))).status).toBe(200);
    });
  });

  it('list nothing for what nothing refers to, also in a repository that is not there; a bad digest is 400', async () => {
    const empty = await dev.request('GET', `/v2/team/app/nowhere/referrers/${digestOf('x')}`);
    expect([empty.status, empty.headers.get('content-type')]).toEqual([200, OCI_INDEX]);
    expect(JSON.parse(empty.body.toString())).toEqual({
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: [],
    });
    const bad = await dev.request('GET', '/v2/team/app/nowhere/referrers/sha256:x');
    expect([bad.status, bad.error?.code]).toEqual([400, 'DIGEST_INVALID']);
  });

  it('are listed in pages that a client reads as manifests: no page over 4 MiB', async () => {
    const many = { mediaType: OCI_MANIFEST, digest: digestOf('a popular subject'), size: 9 };
    const { config } = await dev.pushImage('team/app/popular', 'v1');
    for (let index = 0; index < 3; index += 1) {
      const document = {
        schemaVersion: 2,
        mediaType: OCI_MANIFEST,
        config,
        layers: [],
        subject: many,
        annotations: { pad: String(index).repeat(2_000_000) },
      };
      expect((await dev.putManifest('team/app/popular', `r${index}`, document)).status).toBe(201);
    }
    let path: string | undefined = `/v2/team/app/popular/referrers/${many.digest}`;
    const seen: unknown[] = [];
    for (let page = 0; path !== undefined; page += 1) {
      expect(page).toBeLessThan(4);
      const answer = await dev.request('GET', path);
      expect(answer.body.length).toBeLessThan(4_300_000);
      seen.push(
        ...(JSON.parse(answer.body.toString()) as { manifests: { digest: string }[] }).manifests.map(
          (m) => m.digest,
        ),
      );
      path = /<([^>]+)>; rel="next"/.exec(answer.headers.get('link') ?? '')?.[1];
    }
    expect(new Set(seen).size).toBe(3);
  });
});
