import { randomBytes } from 'node:crypto';
import { PostgresNodeStore } from '@sluice/database/postgres';
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

const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const IN_TOTO = 'application/vnd.in-toto+json';

describe('manifests', () => {
  let registry: TestRegistry;
  let dev: TestClient;
  beforeAll(async () => {
    registry = await TestRegistry.start();
    dev = await TestClient.maintainer(registry);
  });
  afterAll(async () => registry.close());

  const url = (repository: string, reference: string): string => `/v2/${repository}/manifests/${reference}`;
  const kindOf = async (digest: string): Promise<string | undefined> =>
    (
      await registry.database.source.query<{ kind: string }[]>(
        'SELECT kind FROM manifest WHERE digest = $1',
        [digest],
      )
    )[0]?.kind;
  const events = async (digest: string): Promise<{ type: string; payload: Record<string, unknown> }[]> =>
    registry.database.source.query(
      `SELECT type, payload FROM outbox WHERE payload ->> 'digest' = $1 ORDER BY seq`,
      [digest],
    );

  it('come back byte for byte, with their type, length and digest, by tag and by digest', async () => {
    const pushed = await dev.pushImage('team/app/bytes', 'v1', { annotations: { ümläut: '\ud83d\ude00' } });
    for (const reference of ['v1', pushed.digest, pushed.digest.replace(':', '%3A')]) {
      const get = await dev.request('GET', url('team/app/bytes', reference));
      const head = await dev.request('HEAD', url('team/app/bytes', reference));
      expect(get.body.toString()).toBe(pushed.manifest);
      for (const answer of [get, head]) {
        expect(answer.status).toBe(200);
        expect(answer.headers.get('content-type')).toBe(OCI_MANIFEST);
        expect(answer.headers.get('content-length')).toBe(String(Buffer.byteLength(pushed.manifest)));
        expect(answer.headers.get('docker-content-digest')).toBe(pushed.digest);
        expect(answer.headers.get('etag')).toBe(`"${pushed.digest}"`);
      }
      const unchanged = await dev.request('GET', url('team/app/bytes', reference), {
        headers: { 'if-none-match': `"x", W/"${pushed.digest}"` },
      });
      expect([unchanged.status, unchanged.body.length]).toEqual([304, 0]);
    }
  });

  it('are stored with their edges, a pending verdict, who pushed them, and an event', async () => {
    const pushed = await dev.pushImage('team/app/rows', 'v1');
    const [row] = await registry.database.source.query<Record<string, unknown>[]>(
      `SELECT m.kind, m.artifact_type, v.state, p.name AS pushed_by,
         (SELECT count(*)::int FROM manifest_blob mb WHERE mb.manifest_id = m.id) AS edges
       FROM manifest m JOIN verdict v ON v.manifest_id = m.id JOIN principal p ON p.id = m.pushed_by
       WHERE m.digest = $1`,
      [pushed.digest],
    );
    expect(row).toEqual({
      kind: 'image',
      artifact_type: OCI_CONFIG,
      state: 'pending',
      pushed_by: 'dev',
      edges: 2,
    });
    expect(await events(pushed.digest)).toMatchObject([
      {
        type: 'artifact.pushed',
        payload: {
          repository: 'team/app/rows',
          kind: 'image',
          mediaType: OCI_MANIFEST,
          tags: ['v1'],
          subjectDigest: null,
        },
      },
    ]);
  });

  it('pushed again keep their verdict, and move tags', async () => {
    const first = await dev.pushImage('team/app/again', 'v1');
    const second = await dev.pushImage('team/app/again', 'v2');
    const verdict = await registry.judge('team/app/again', first.digest, 'green', null);
    const again = await dev.putManifest('team/app/again', 'v2', JSON.parse(first.manifest) as object);
    expect(again.status).toBe(201);
    expect(
      (await dev.request('HEAD', url('team/app/again', 'v2'))).headers.get('docker-content-digest'),
    ).toBe(first.digest);
    const [row] = await registry.database.source.query<{ id: string; state: string }[]>(
      'SELECT v.id, v.state FROM verdict v JOIN manifest m ON m.id = v.manifest_id WHERE m.digest = $1',
      [first.digest],
    );
    expect(row).toEqual({ id: verdict, state: 'green' });
    expect((await dev.request('HEAD', url('team/app/again', second.digest))).status).toBe(200);
  });

  it('take more tags by ?tag= and name them in OCI-Tag (end-7b)', async () => {
    const { manifest, digest } = await dev.pushImage('team/app/tags', 'v1');
    const tags = Array.from({ length: 12 }, (_, index) => `t${index}`);
    const answer = await dev.putManifest(
      'team/app/tags',
      `${digest}?${tags.map((tag) => `tag=${tag}`).join('&')}`,
      JSON.parse(manifest) as object,
    );
    expect(answer.status).toBe(201);
    expect(answer.headers.get('oci-tag')?.split(', ')).toEqual(tags);
    expect((await dev.request('HEAD', url('team/app/tags', 't11'))).status).toBe(200);
    const bad = await dev.putManifest('team/app/tags', `${digest}?tag=-x`, JSON.parse(manifest) as object);
    expect([bad.status, bad.error?.code]).toEqual([400, 'TAG_INVALID']);
  });

  it('may be pushed by sha512 digest, and only with content of that digest', async () => {
    const { manifest } = await dev.pushImage('team/app/sha512', 'v1');
    const digest = digestOf(manifest, 'sha512');
    const answer = await dev.putManifest('team/app/sha512', digest, JSON.parse(manifest) as object);
    expect([answer.status, answer.headers.get('location')]).toEqual([201, url('team/app/sha512', digest)]);
    expect((await dev.request('GET', url('team/app/sha512', digest))).body.toString()).toBe(manifest);
    for (const algorithm of ['sha256', 'sha512']) {
      const wrong = await dev.putManifest(
        'team/app/sha512',
        digestOf('x', algorithm),
        JSON.parse(manifest) as object,
      );
      expect([wrong.status, wrong.error?.code]).toEqual([400, 'DIGEST_INVALID']);
    }
  });

  it('may be 4 MiB large and not a byte more', async () => {
    const { config } = await dev.pushImage('team/app/large', 'v1');
    const document = {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config,
      layers: [],
      annotations: { pad: '' },
    };
    const room = 4 * 1024 * 1024 - JSON.stringify(document).length;
    const put = (size: number) =>
      dev.putManifest('team/app/large', 'big', { ...document, annotations: { pad: 'x'.repeat(size) } });
    expect((await put(room)).status).toBe(201);
    expect((await dev.request('GET', url('team/app/large', 'big'))).body.length).toBe(4 * 1024 * 1024);
    const tooLarge = await put(room + 1);
    expect([tooLarge.status, tooLarge.error?.code]).toEqual([413, 'SIZE_INVALID']);
  });

  it('without their blobs are refused with MANIFEST_BLOB_UNKNOWN, which names them, and leave nothing', async () => {
    const { config, layer } = await dev.pushImage('team/app/whole', 'v1');
    await dev.pushBlob('team/app/part', 'something');
    const missing = { ...layer, digest: digestOf('missing') };
    const answer = await dev.putManifest('team/app/part', 'v1', {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config,
      layers: [layer, missing],
    });
    expect([answer.status, answer.error?.code]).toEqual([404, 'MANIFEST_BLOB_UNKNOWN']);
    for (const { digest } of [config, layer, missing]) expect(answer.error?.message).toContain(digest);
    expect((await dev.request('HEAD', url('team/app/part', 'v1'))).status).toBe(404);
  });

  describe('in a project that accepts missing blobs', () => {
    const repository = 'sparse/app/web';
    const document = (seed: string): object => ({
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: { mediaType: OCI_CONFIG, digest: digestOf(`${seed} config`), size: seed.length + 7 },
      layers: [{ mediaType: OCI_LAYER, digest: digestOf(`${seed} layer`), size: seed.length + 6 }],
    });
    beforeAll(async () => {
      const id = await registry.createProject('sparse/app');
      await new PostgresNodeStore(registry.database.source).update(id, { missingBlobs: 'accept' });
      await registry.createUser('packer', { 'sparse/app': 'developer' });
    });

    it('may come before their blobs, which are joined to them as they arrive', async () => {
      const packer = new TestClient(registry, 'packer');
      expect((await packer.putManifest(repository, 'v1', document('late'))).status).toBe(201);
      expect((await packer.request('HEAD', url(repository, 'v1'))).status).not.toBe(404);
      for (const part of ['layer', 'config']) await packer.pushBlob(repository, `late ${part}`);
      expect(await edgesOf(digestOf(JSON.stringify(document('late'))))).toEqual({ there: 2, missing: 0 });
    });

    it('find their blobs also when both come at the same time', async () => {
      const packer = new TestClient(registry, 'packer');
      for (let round = 0; round < 8; round += 1) {
        const answers = await Promise.all([
          packer.putManifest(repository, 'v1', document(`r${round}`)),
          packer.pushBlob(repository, `r${round} layer`),
          packer.pushBlob(repository, `r${round} config`),
        ]);
        expect(answers[0].status).toBe(201);
        expect(await edgesOf(digestOf(JSON.stringify(document(`r${round}`))))).toEqual({
          there: 2,
          missing: 0,
        });
      }
    });

    async function edgesOf(digest: string): Promise<unknown> {
      const [row] = await registry.database.source.query<unknown[]>(
        `SELECT (SELECT count(*) FROM manifest_blob b WHERE b.manifest_id = m.id)::int AS there,
           (SELECT count(*) FROM manifest_missing_blob b WHERE b.manifest_id = m.id)::int AS missing
         FROM manifest m WHERE m.digest = $1`,
        [digest],
      );
      return row;
    }
  });

  it('may name non-distributable layers that were never pushed', async () => {
    const { config, layer } = await dev.pushImage('team/app/foreign', 'v1');
    const foreign = {
      mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
      digest: digestOf('elsewhere'),
      size: 5,
      urls: ['https://example.com/layer'],
    };
    const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer, foreign] };
    expect((await dev.putManifest('team/app/foreign', 'v2', document)).status).toBe(201);
  });

  it('that lie about the size of a blob are refused', async () => {
    const { config, layer } = await dev.pushImage('team/app/size', 'v1');
    const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [{ ...layer, size: 1 }] };
    const answer = await dev.putManifest('team/app/size', 'v2', document);
    expect([answer.status, answer.error?.code]).toEqual([400, 'MANIFEST_INVALID']);
    expect(answer.error?.message).toContain('600');
  });

  it('hold what Postgres cannot: control characters and halves of surrogate pairs in annotations', async () => {
    const subject = { mediaType: OCI_MANIFEST, digest: digestOf('subject'), size: 1 };
    const pushed = await dev.pushImage('team/app/odd', 'v1', {
      subject,
      annotations: { 'a\u0000b': 'c\u0000\ud800' },
    });
    expect((await dev.request('GET', url('team/app/odd', 'v1'))).body.toString()).toBe(pushed.manifest);
    const listed = await dev.request('GET', `/v2/team/app/odd/referrers/${subject.digest}`);
    expect(listed.body.toString()).toContain(pushed.digest);
  });

  describe('that are malformed', () => {
    it.each<[string, string, string, string]>([
      ['no JSON', 'blablabla', OCI_MANIFEST, 'MANIFEST_INVALID'],
      ['empty', '', OCI_MANIFEST, 'MANIFEST_INVALID'],
      [
        'schema 1',
        '{"schemaVersion":1}',
        'application/vnd.docker.distribution.manifest.v1+prettyjws',
        'MANIFEST_INVALID',
      ],
      ['of an unknown type', '{"schemaVersion":2}', 'application/json', 'MANIFEST_INVALID'],
      [
        'of two types',
        `{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":[]}`,
        OCI_MANIFEST,
        'MANIFEST_INVALID',
      ],
      [
        'ambiguous',
        `{"schemaVersion":2,"mediaType":"${OCI_INDEX}","manifests":[],"layers":[]}`,
        OCI_INDEX,
        'MANIFEST_INVALID',
      ],
      ['two in one', `{"schemaVersion":2,"manifests":[],"manifests":[]}`, OCI_INDEX, 'MANIFEST_INVALID'],
      ['deep', '['.repeat(200_000) + ']'.repeat(200_000), OCI_MANIFEST, 'MANIFEST_INVALID'],
      [
        'with a bad digest',
        `{"schemaVersion":2,"manifests":[{"mediaType":"${OCI_MANIFEST}","digest":"sha256:x","size":1}]}`,
        OCI_INDEX,
        'DIGEST_INVALID',
      ],
    ])('%s are refused', async (_, body, contentType, code) => {
      const answer = await dev.request('PUT', url('team/app/bad', 'v1'), {
        headers: { 'content-type': contentType },
        body,
      });
      expect([answer.status, answer.error?.code]).toEqual([400, code]);
    });

    it.each([
      ['-dash', 'TAG_INVALID'],
      ['.INVALID_MANIFEST_NAME', 'TAG_INVALID'],
      ['a'.repeat(129), 'TAG_INVALID'],
      ['sha256:baddigeststring', 'DIGEST_INVALID'],
      ['a%2fb', 'TAG_INVALID'],
    ])('are refused under the reference %s with %s; pulling it finds nothing', async (reference, code) => {
      const { manifest } = await dev.pushImage('team/app/ref', 'v1');
      const put = await dev.putManifest('team/app/ref', reference, JSON.parse(manifest) as object);
      expect([put.status, put.error?.code]).toEqual([400, code]);
      const get = await dev.request('GET', url('team/app/ref', reference));
      expect(get.status).toBe(code === 'TAG_INVALID' ? 404 : 400);
      expect(get.error?.code).toBe(code === 'TAG_INVALID' ? 'MANIFEST_UNKNOWN' : code);
    });

    it.each([
      'Team/app',
      'team/app/..',
      'team//app',
      'team/app/_x',
      `team/app/${'a'.repeat(255)}`,
      'team/app/ü',
    ])('are refused under the name %s with NAME_INVALID', async (name) => {
      const answer = await dev.request('PUT', `/v2/${encodeURI(name)}/manifests/v1`, { body: '{}' });
      expect([400, 404]).toContain(answer.status);
      expect(['NAME_INVALID', 'NAME_UNKNOWN']).toContain(answer.error?.code);
    });
  });

  describe('of an index', () => {
    const index = (...digests: string[]) => ({
      schemaVersion: 2,
      mediaType: OCI_INDEX,
      manifests: digests.map((digest) => ({
        mediaType: OCI_MANIFEST,
        digest,
        size: 1,
        platform: { os: 'linux', architecture: 'amd64' },
      })),
    });
    const childOf = async (parent: string): Promise<string | null> =>
      (
        await registry.database.source.query<{ digest: string | null }[]>(
          `SELECT m.digest FROM manifest_child c JOIN manifest p ON p.id = c.parent_id
           LEFT JOIN manifest m ON m.id = c.child_id WHERE p.digest = $1`,
          [parent],
        )
      )[0]?.digest ?? null;

    it('may come before its children, and is joined to them when they arrive', async () => {
      const other = await dev.pushImage('team/app/elsewhere', 'v1');
      const document = index(other.digest);
      expect((await dev.putManifest('team/app/sparse', 'multi', document, OCI_INDEX)).status).toBe(201);
      const parent = digestOf(JSON.stringify(document));
      expect(await childOf(parent)).toBeNull();
      await registry.judgeAllGreen();
      for (const { digest } of [other.config, other.layer]) {
        await dev.request(
          'POST',
          `/v2/team/app/sparse/blobs/uploads/?mount=${digest}&from=team/app/elsewhere`,
        );
      }
      await dev.putManifest('team/app/sparse', other.digest, JSON.parse(other.manifest) as object);
      expect(await childOf(parent)).toBe(other.digest);
    });

    it('and its child that come at the same time find each other', async () => {
      const images = await Promise.all(
        Array.from({ length: 6 }, (_, i) => dev.pushImage('team/app/prepared', `v${i}`)),
      );
      await registry.judgeAllGreen();
      for (const image of images) {
        for (const { digest } of [image.config, image.layer]) {
          await dev.request(
            'POST',
            `/v2/team/app/race/blobs/uploads/?mount=${digest}&from=team/app/prepared`,
          );
        }
      }
      const parents = await Promise.all(
        images.map(async (image, i) => {
          const document = index(image.digest);
          await Promise.all([
            dev.putManifest('team/app/race', `multi${i}`, document, OCI_INDEX),
            dev.putManifest('team/app/race', image.digest, JSON.parse(image.manifest) as object),
          ]);
          return digestOf(JSON.stringify(document));
        }),
      );
      expect(await Promise.all(parents.map(childOf))).toEqual(images.map(({ digest }) => digest));
    });

    it('keep their children: a child goes after its index', async () => {
      const child = await dev.pushImage('team/app/family', 'child');
      const document = index(child.digest);
      await dev.putManifest('team/app/family', 'multi', document, OCI_INDEX);
      const refused = await dev.request('DELETE', url('team/app/family', child.digest));
      expect([refused.status, refused.error?.code]).toEqual([405, 'UNSUPPORTED']);
      expect(refused.error?.message).toContain(digestOf(JSON.stringify(document)));
      expect(
        (await dev.request('DELETE', url('team/app/family', digestOf(JSON.stringify(document))))).status,
      ).toBe(202);
      expect((await dev.request('DELETE', url('team/app/family', child.digest))).status).toBe(202);
    });
  });

  it('are deleted with their tags, at once and with an event; a tag is deleted alone', async () => {
    const pushed = await dev.pushImage('team/app/gone', 'v1');
    await dev.putManifest('team/app/gone', 'v2', JSON.parse(pushed.manifest) as object);
    expect((await dev.request('DELETE', url('team/app/gone', 'v1'))).status).toBe(202);
    expect((await dev.request('HEAD', url('team/app/gone', 'v1'))).status).toBe(404);
    expect((await dev.request('HEAD', url('team/app/gone', 'v2'))).status).toBe(200);
    expect((await dev.request('DELETE', url('team/app/gone', pushed.digest))).status).toBe(202);
    for (const reference of ['v2', pushed.digest]) {
      const answer = await dev.request('GET', url('team/app/gone', reference));
      expect([answer.status, answer.error?.code]).toEqual([404, 'MANIFEST_UNKNOWN']);
      expect((await dev.request('DELETE', url('team/app/gone', reference))).status).toBe(404);
    }
    expect((await events(pushed.digest)).map(({ type }) => type)).toEqual([
      'artifact.pushed',
      'artifact.pushed',
      'artifact.deleted',
    ]);
  });

  describe('are judged by what a runtime would do with them', () => {
    it('as an attestation when the layers are statements, as an image when they only say so', async () => {
      const config = await dev.pushBlob(
        'team/app/kinds',
        `{"n":"${randomBytes(4).toString('hex')}"}`,
        OCI_CONFIG,
      );
      const push = async (tag: string, content: string | Buffer): Promise<string | undefined> => {
        const layer = await dev.pushBlob('team/app/kinds', content, IN_TOTO);
        const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer] };
        expect((await dev.putManifest('team/app/kinds', tag, document)).status).toBe(201);
        return kindOf(digestOf(JSON.stringify(document)));
      };
      expect(await push('real', '{"_type":"https://in-toto.io/Statement/v1"}')).toBe('attestation');
      expect(await push('fake', randomBytes(512))).toBe('image');
    });

    it('as an image whatever artifactType says', async () => {
      const { digest } = await dev.pushImage('team/app/kinds', 'lie', {
        artifactType: 'application/vnd.cncf.notary.signature',
      });
      expect(await kindOf(digest)).toBe('image');
    });

    it('in the schema 2 of Docker as well', async () => {
      const { config, layer } = await dev.pushImage('team/app/kinds', 'base');
      const document = { schemaVersion: 2, mediaType: DOCKER_MANIFEST, config, layers: [layer] };
      expect((await dev.putManifest('team/app/kinds', 'docker', document, DOCKER_MANIFEST)).status).toBe(201);
      const answer = await dev.request('GET', url('team/app/kinds', 'docker'));
      expect(answer.headers.get('content-type')).toBe(DOCKER_MANIFEST);
    });
  });
});
