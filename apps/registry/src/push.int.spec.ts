import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf, OCI_CONFIG, rawExchange, TestClient } from './testing/test-client.ts';
import { basic, TestRegistry } from './testing/test-registry.ts';

const REPOSITORY = 'team/app/web';

describe('pushing a blob', () => {
  let registry: TestRegistry;
  let dev: TestClient;
  beforeAll(async () => {
    registry = await TestRegistry.start();
    dev = await TestClient.maintainer(registry);
  });
  afterAll(async () => registry.close());

  const blobUrl = (digest: string): string => `/v2/${REPOSITORY}/blobs/${digest}`;
  async function expectBlob(content: Uint8Array, algorithm = 'sha256'): Promise<void> {
    const answer = await dev.request('GET', blobUrl(digestOf(content, algorithm)));
    expect(answer.status).toBe(200);
    expect(answer.body.equals(Buffer.from(content))).toBe(true);
  }
  async function storedFiles(): Promise<string[]> {
    const files = await readdir(join(registry.storageDirectory, 'blobs'), { recursive: true });
    return files.filter((name) => name.split('/').length === 3);
  }

  describe.each(['sha256', 'sha512'])('under a %s digest', (algorithm) => {
    it('in one POST (end-4b)', async () => {
      const content = randomBytes(1_000);
      const digest = digestOf(content, algorithm);
      const answer = await dev.request('POST', `/v2/${REPOSITORY}/blobs/uploads/?digest=${digest}`, {
        body: content,
      });
      expect(answer.status).toBe(201);
      expect(answer.headers.get('location')).toBe(blobUrl(digest));
      expect(answer.headers.get('docker-content-digest')).toBe(digest);
      await expectBlob(content, algorithm);
    });

    it('in a POST and a PUT (end-4a, end-6)', async () => {
      const content = randomBytes(1_000);
      const location = await dev.begin(REPOSITORY);
      const answer = await dev.request('PUT', `${location}?digest=${digestOf(content, algorithm)}`, {
        body: content,
      });
      expect(answer.status).toBe(201);
      await expectBlob(content, algorithm);
    });

    it('in a POST, a streamed PATCH and an empty PUT, the algorithm announced only at the end', async () => {
      const content = randomBytes(3_000_000);
      const location = await dev.begin(REPOSITORY);
      const stream = new ReadableStream<Uint8Array>({
        start(controller) {
          for (let at = 0; at < content.length; at += 100_000) {
            controller.enqueue(content.subarray(at, at + 100_000));
          }
          controller.close();
        },
      });
      const patched = await dev.request('PATCH', location, { body: stream });
      expect(patched.status).toBe(202);
      expect(patched.headers.get('range')).toBe('0-2999999');
      const answer = await dev.request('PUT', `${location}?digest=${digestOf(content, algorithm)}`);
      expect(answer.status).toBe(201);
      await expectBlob(content, algorithm);
    });

    it('in chunks, the last one with the PUT', async () => {
      const content = randomBytes(300);
      let location = await dev.begin(REPOSITORY, `?digest-algorithm=${algorithm}`);
      for (const [first, last] of [
        [0, 99],
        [100, 199],
      ] as const) {
        const answer = await dev.request('PATCH', location, {
          headers: { 'content-range': `${first}-${last}` },
          body: content.subarray(first, last + 1),
        });
        expect(answer.status).toBe(202);
        expect(answer.headers.get('range')).toBe(`0-${last}`);
        location = answer.headers.get('location') ?? '';
      }
      const answer = await dev.request('PUT', `${location}?digest=${digestOf(content, algorithm)}`, {
        headers: { 'content-range': '200-299' },
        body: content.subarray(200),
      });
      expect(answer.status).toBe(201);
      await expectBlob(content, algorithm);
    });

    it('that is empty, in any form', async () => {
      const digest = digestOf('', algorithm);
      expect((await dev.request('POST', `/v2/${REPOSITORY}/blobs/uploads/?digest=${digest}`)).status).toBe(
        201,
      );
      expect((await dev.request('PUT', `${await dev.begin(REPOSITORY)}?digest=${digest}`)).status).toBe(201);
      const answer = await dev.request('GET', blobUrl(digest));
      expect([answer.status, answer.body.length]).toEqual([200, 0]);
    });
  });

  it('takes an empty POST that calls itself JSON, as crane sends it', async () => {
    const answer = await dev.request('POST', `/v2/${REPOSITORY}/blobs/uploads/`, {
      headers: { 'content-type': 'application/json' },
    });
    expect(answer.status).toBe(202);
    expect(answer.headers.get('range')).toBe('0-0');
    expect(answer.headers.get('docker-upload-uuid')).toBeTruthy();
    expect(answer.headers.get('location')).toMatch(/^\/v2\/team\/app\/web\/blobs\/uploads\/[0-9a-f-]+$/);
  });

  it('takes a request without Content-Length as one without a body (RFC 9112, 6.3)', async () => {
    const send = (method: string, where: string): Promise<string> => {
      const socket = registry.connect();
      socket.write(
        `${method} ${where} HTTP/1.1\r\nHost: ${registry.host}\r\nConnection: close\r\n` +
          `Authorization: ${basic('dev')}\r\n\r\n`,
      );
      return text(socket);
    };
    const empty = digestOf('');
    const location = await dev.begin(REPOSITORY);
    expect(await send('POST', `/v2/${REPOSITORY}/blobs/uploads/`)).toMatch(/^HTTP\/1\.1 202 /);
    expect(await send('POST', `/v2/${REPOSITORY}/blobs/uploads/?digest=${empty}`)).toMatch(
      /^HTTP\/1\.1 201 /,
    );
    expect(await send('PATCH', location)).toMatch(/^HTTP\/1\.1 202 /);
    expect(await send('PUT', `${location}?digest=${empty}`)).toMatch(/^HTTP\/1\.1 201 /);
    expect(await send('PUT', `/v2/${REPOSITORY}/manifests/none`)).toMatch(
      /^HTTP\/1\.1 400 [^]*MANIFEST_INVALID/,
    );
    expect(await send('PUT', `/v2/${REPOSITORY}/manifests/NOT A TAG`)).toMatch(/^HTTP\/1\.1 400 /);
    expect(await send('DELETE', `/v2/${REPOSITORY}/blobs/uploads/none`)).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('refuses a chunk out of order with 416 and says where to go on; any earlier location still works', async () => {
    const content = randomBytes(20);
    const location = await dev.begin(REPOSITORY);
    const early = await dev.request('PATCH', location, {
      headers: { 'content-range': '10-19' },
      body: content.subarray(10),
    });
    expect([early.status, early.error?.code]).toEqual([416, 'RANGE_INVALID']);
    const first = { headers: { 'content-range': '0-9' }, body: content.subarray(0, 10) };
    expect((await dev.request('PATCH', location, first)).status).toBe(202);
    const again = await dev.request('PATCH', location, first);
    expect([again.status, again.headers.get('range')]).toEqual([416, '0-9']);
    const status = await dev.request('GET', location);
    expect([status.status, status.headers.get('range')]).toEqual([204, '0-9']);
    const put = await dev.request('PUT', `${location}?digest=${digestOf(content)}`, {
      headers: { 'content-range': '5-19' },
      body: content.subarray(5),
    });
    expect(put.status).toBe(416);
    const rest = { headers: { 'content-range': '10-19' }, body: content.subarray(10) };
    expect((await dev.request('PATCH', location, rest)).status).toBe(202);
    expect((await dev.request('PUT', `${location}?digest=${digestOf(content)}`)).status).toBe(201);
    await expectBlob(content);
  });

  it.each([
    ['shorter', '0-9', 5],
    ['longer', '0-9', 15],
  ])(
    'refuses a chunk that is %s than its Content-Range with SIZE_INVALID, and keeps none of it',
    async (_, range, size) => {
      const content = randomBytes(10);
      const location = await dev.begin(REPOSITORY);
      for (const body of [randomBytes(size), streamOf(randomBytes(size))]) {
        const answer = await dev.request('PATCH', location, { headers: { 'content-range': range }, body });
        expect([answer.status, answer.error?.code]).toEqual([400, 'SIZE_INVALID']);
      }
      expect((await dev.request('GET', location)).headers.get('range')).toBe('0-0');
      expect(
        (await dev.request('PATCH', location, { headers: { 'content-range': range }, body: content })).status,
      ).toBe(202);
      expect((await dev.request('PUT', `${location}?digest=${digestOf(content)}`)).status).toBe(201);
      await expectBlob(content);
    },
  );

  it.each(['x', '5', '9-0', '-5', '0-5,7-9'])('refuses the malformed Content-Range %s', async (range) => {
    const location = await dev.begin(REPOSITORY);
    const answer = await dev.request('PATCH', location, { headers: { 'content-range': range }, body: 'x' });
    expect([400, 416]).toContain(answer.status);
    expect(['BLOB_UPLOAD_INVALID', 'RANGE_INVALID']).toContain(answer.error?.code);
  });

  it('refuses content of another digest with DIGEST_INVALID in every form, shows nothing and keeps no file', async () => {
    const before = await storedFiles();
    const content = randomBytes(100);
    const wrong = digestOf('something else');
    const post = await dev.request('POST', `/v2/${REPOSITORY}/blobs/uploads/?digest=${wrong}`, {
      body: content,
    });
    const put = await dev.request('PUT', `${await dev.begin(REPOSITORY)}?digest=${wrong}`, { body: content });
    const location = await dev.begin(REPOSITORY);
    await dev.request('PATCH', location, { body: content });
    const late = await dev.request('PUT', `${location}?digest=${wrong}`);
    const sha512 = await dev.begin(REPOSITORY);
    await dev.request('PATCH', sha512, { body: content });
    const rehashed = await dev.request('PUT', `${sha512}?digest=${digestOf('x', 'sha512')}`);
    for (const answer of [post, put, late, rehashed]) {
      expect([answer.status, answer.error?.code]).toEqual([400, 'DIGEST_INVALID']);
    }
    expect((await dev.request('GET', location)).status, 'the upload is gone').toBe(404);
    for (const digest of [wrong, digestOf(content)]) {
      expect((await dev.request('HEAD', blobUrl(digest))).status).toBe(404);
    }
    expect(await storedFiles()).toEqual(before);
  });

  it.each(['', 'sha256:baddigeststring', 'md5:d41d8cd98f00b204e9800998ecf8427e', `sha256:${'A'.repeat(64)}`])(
    'refuses the malformed digest "%s" with DIGEST_INVALID',
    async (digest) => {
      const location = await dev.begin(REPOSITORY);
      const put = await dev.request('PUT', `${location}?digest=${digest}`);
      expect([put.status, put.error?.code]).toEqual([400, 'DIGEST_INVALID']);
      if (digest === '') return;
      const post = await dev.request('POST', `/v2/${REPOSITORY}/blobs/uploads/?digest=${digest}`, {
        body: 'x',
      });
      expect([post.status, post.error?.code]).toEqual([400, 'DIGEST_INVALID']);
      const mount = await dev.request('POST', `/v2/${REPOSITORY}/blobs/uploads/?mount=${digest}`);
      expect([mount.status, mount.error?.code]).toEqual([400, 'DIGEST_INVALID']);
    },
  );

  it('refuses an unknown digest-algorithm', async () => {
    const answer = await dev.request('POST', `/v2/${REPOSITORY}/blobs/uploads/?digest-algorithm=md5`);
    expect([answer.status, answer.error?.code]).toEqual([400, 'DIGEST_INVALID']);
  });

  it.each(['x', '00000000-0000-7000-8000-000000000000', '%2e%2e%2f', 'a'.repeat(300), "' OR 1=1"])(
    'answers BLOB_UPLOAD_UNKNOWN at the upload location "%s"',
    async (session) => {
      for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
        const path = `/v2/${REPOSITORY}/blobs/uploads/${encodeURI(session)}?digest=${digestOf('')}`;
        const answer = await dev.request(method, path, method === 'PATCH' ? { body: 'x' } : {});
        expect([400, 404]).toContain(answer.status);
        expect(['BLOB_UPLOAD_UNKNOWN', 'NAME_INVALID', 'NAME_UNKNOWN']).toContain(answer.error?.code);
      }
    },
  );

  it('knows an upload only under the repository where it began', async () => {
    const location = await dev.begin(REPOSITORY);
    const answer = await dev.request('PATCH', location.replace('/web/', '/other/'), { body: 'x' });
    expect([answer.status, answer.error?.code]).toEqual([404, 'BLOB_UPLOAD_UNKNOWN']);
  });

  it('cancels an upload (end-14)', async () => {
    const location = await dev.begin(REPOSITORY);
    await dev.request('PATCH', location, { body: 'half' });
    expect((await dev.request('DELETE', location)).status).toBe(204);
    expect((await dev.request('DELETE', location)).status).toBe(404);
    expect((await dev.request('GET', location)).status).toBe(404);
    expect((await dev.request('PUT', `${location}?digest=${digestOf('half')}`)).status).toBe(404);
  });

  it('stores the same content once, whoever pushes it, and links it where it was pushed', async () => {
    const content = randomBytes(500);
    await dev.pushBlob(REPOSITORY, content);
    const before = await storedFiles();
    await Promise.all([
      dev.pushBlob('team/app/b', content),
      dev.pushBlob('team/app/c', content),
      dev.pushBlob('team/app/b', content),
    ]);
    expect(await storedFiles()).toEqual(before);
    for (const repository of ['team/app/b', 'team/app/c']) {
      expect((await dev.request('HEAD', `/v2/${repository}/blobs/${digestOf(content)}`)).status).toBe(200);
    }
    expect((await dev.request('HEAD', `/v2/team/app/d/blobs/${digestOf(content)}`)).status).toBe(404);
  });

  it('stores content once also when many push it at the same time', async () => {
    const content = randomBytes(5_000);
    const before = (await storedFiles()).length;
    await Promise.all(Array.from({ length: 12 }, (_, i) => dev.pushBlob(`team/app/p${i % 3}`, content)));
    expect((await storedFiles()).length).toBe(before + 1);
  });

  it('needs a project that owns the name, and says which would', async () => {
    const answer = await (await TestClient.admin(registry)).request('POST', '/v2/nobody/here/blobs/uploads/');
    expect([answer.status, answer.error?.code]).toEqual([404, 'NAME_UNKNOWN']);
  });

  it('leaves every project its own repositories: the longest project path wins', async () => {
    await registry.createProject('deep/one');
    const admin = await TestClient.admin(registry);
    await admin.pushImage('deep/one', 'v1');
    await admin.pushImage('deep/one/two/three', 'v1');
    const rows = await registry.database.source.query<{ name: string }[]>(
      `SELECT r.name FROM repository r JOIN node n ON n.id = r.project_id WHERE n.path = 'deep/one' ORDER BY 1`,
    );
    expect(rows.map(({ name }) => name)).toEqual(['deep/one', 'deep/one/two/three']);
  });

  it('keeps a blob that a pusher asked for from garbage collection', async () => {
    const blob = await dev.pushBlob(REPOSITORY, randomBytes(10));
    await registry.database.source.query(
      `UPDATE lease l SET expires_at = now() FROM blob b WHERE b.id = l.blob_id AND b.digest = $1`,
      [blob.digest],
    );
    expect((await dev.request('HEAD', blobUrl(blob.digest))).status).toBe(200);
    const [row] = await registry.database.source.query<{ left: number }[]>(
      `SELECT extract(epoch FROM l.expires_at - now())::int AS left
       FROM lease l JOIN blob b ON b.id = l.blob_id WHERE b.digest = $1`,
      [blob.digest],
    );
    expect(row?.left).toBeGreaterThan(3_000);
    await registry.database.source.query(`UPDATE blob SET state = 'condemned' WHERE digest = $1`, [
      blob.digest,
    ]);
    expect((await dev.request('HEAD', blobUrl(blob.digest))).status, 'condemned: push it again').toBe(404);
  });

  it('unlinks a blob that no manifest of the repository names, and no other', async () => {
    const { layer } = await dev.pushImage(REPOSITORY, 'del');
    const used = await dev.request('DELETE', blobUrl(layer.digest));
    expect([used.status, used.error?.code]).toEqual([405, 'UNSUPPORTED']);
    const loose = await dev.pushBlob(REPOSITORY, randomBytes(10), OCI_CONFIG);
    expect((await dev.request('DELETE', blobUrl(loose.digest))).status).toBe(202);
    for (const method of ['HEAD', 'GET', 'DELETE']) {
      expect((await dev.request(method, blobUrl(loose.digest))).status).toBe(404);
    }
  });

  it('refuses an announced length that is no number before anything else', async () => {
    const answer = await rawExchange(
      registry,
      `PATCH /v2/x/blobs/uploads/y HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
  });
});

function streamOf(content: Uint8Array): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(content);
      controller.close();
    },
  });
}
