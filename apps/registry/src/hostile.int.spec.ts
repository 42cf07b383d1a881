import { randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf, OCI_INDEX, OCI_MANIFEST, TestClient } from './testing/test-client.ts';
import { basic, TestRegistry } from './testing/test-registry.ts';

const REPOSITORY = 'team/app/web';
const EMPTY = digestOf('');
/** What the distribution specification and `distribution` know, and nothing else. */
const CODES = new Set([
  'BLOB_UNKNOWN',
  'BLOB_UPLOAD_INVALID',
  'BLOB_UPLOAD_UNKNOWN',
  'DIGEST_INVALID',
  'MANIFEST_BLOB_UNKNOWN',
  'MANIFEST_INVALID',
  'MANIFEST_UNKNOWN',
  'NAME_INVALID',
  'NAME_UNKNOWN',
  'SIZE_INVALID',
  'TAG_INVALID',
  'RANGE_INVALID',
  'UNAUTHORIZED',
  'DENIED',
  'UNSUPPORTED',
  'TOOMANYREQUESTS',
  'PAGINATION_NUMBER_INVALID',
]);

/** Characters that mean something to one of the parsers, and some that mean something to none. */
const SPICE = [
  '/',
  ':',
  '%',
  '%3A',
  '..',
  '-',
  '_',
  '.',
  '=',
  '"',
  ',',
  ';',
  '+',
  '@',
  '\u00e4',
  '0',
  '9',
  'a',
  'Z',
];
const spice = fc.array(fc.constantFrom(...SPICE), { maxLength: 8 }).map((parts) => parts.join(''));
const digest = fc.oneof(
  fc.constantFrom(
    EMPTY,
    digestOf('x'),
    digestOf('', 'sha512'),
    'sha256:baddigeststring',
    'md5:00',
    'sha256:',
  ),
  fc.constantFrom(64, 63, 128).map((length) => `sha256:${'aF'.repeat(length).slice(0, length)}`),
  spice,
);
const number = fc.oneof(
  fc.constantFrom('0', '-1', '1e9', '1.5', '99999999999', '0x10', '00', '', 'NaN'),
  fc.nat(5_000).map(String),
);
const range = fc.oneof(
  fc.tuple(number, number).map(([a, b]) => `${a}-${b}`),
  fc
    .array(fc.tuple(number, number), { maxLength: 4 })
    .map((all) => `bytes=${all.map((r) => r.join('-')).join(',')}`),
  spice,
);
const tag = fc.oneof(fc.constantFrom('v1', 'latest', 'a'.repeat(129), '.x', '-x'), spice);
const reference = fc.oneof(tag, digest);

const path = fc.oneof(
  reference.map((each) => `/v2/${REPOSITORY}/manifests/${each}`),
  digest.map((each) => `/v2/${REPOSITORY}/blobs/${each}`),
  digest.map((each) => `/v2/${REPOSITORY}/referrers/${each}`),
  spice.map((each) => `/v2/${REPOSITORY}/blobs/uploads/${each}`),
  fc.constant(`/v2/${REPOSITORY}/blobs/uploads/`),
  fc.constant(`/v2/${REPOSITORY}/tags/list`),
  fc.constant('/v2/_catalog'),
  spice.map((each) => `/v2/${each}/tags/list`),
  fc
    .array(fc.constantFrom('v2', 'blobs', 'uploads', 'manifests', 'tags', 'list', 'referrers', ''))
    .map((parts) => `/v2/${parts.join('/')}`),
);
const query = fc
  .array(
    fc.tuple(
      fc.constantFrom(
        'n',
        'last',
        'digest',
        'mount',
        'from',
        'tag',
        'artifactType',
        'digest-algorithm',
        'ns',
        'x',
      ),
      fc.oneof(
        number,
        digest,
        tag,
        spice,
        fc.constantFrom(REPOSITORY, 'foreign/app/x', 'sha512', '%00', '%ZZ'),
      ),
    ),
    { maxLength: 4 },
  )
  .map((pairs) => (pairs.length === 0 ? '' : `?${pairs.map((pair) => pair.join('=')).join('&')}`));
const json = fc.jsonValue({ maxDepth: 3 }).map((value) => JSON.stringify(value));
const manifestField = fc.oneof(
  fc.constantFrom<unknown>(2, 1, null, [], {}, '', OCI_MANIFEST, OCI_INDEX),
  fc.record({ mediaType: tag, digest, size: fc.oneof(fc.integer(), fc.double(), fc.string()) }),
  fc.jsonValue({ maxDepth: 1 }),
);
const manifest = fc
  .dictionary(
    fc.constantFrom(
      'schemaVersion',
      'mediaType',
      'config',
      'layers',
      'manifests',
      'subject',
      'annotations',
      'Layers',
    ),
    fc.oneof(manifestField, fc.array(manifestField, { maxLength: 3 })),
  )
  .map((document) => JSON.stringify({ schemaVersion: 2, ...document }));
const request = fc.record({
  method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'),
  path,
  query,
  headers: fc.dictionary(
    fc.constantFrom(
      'range',
      'content-range',
      'content-type',
      'accept',
      'if-none-match',
      'if-range',
      'cookie',
    ),
    fc.oneof(
      range,
      spice.filter((each) => !each.includes('\u00e4')),
      fc.constantFrom(OCI_MANIFEST, OCI_INDEX),
    ),
  ),
  body: fc.option(fc.oneof(json, manifest, fc.string({ maxLength: 40 }))),
});

describe('the data plane under hostile input', () => {
  let registry: TestRegistry;
  let dev: TestClient;
  beforeAll(async () => {
    registry = await TestRegistry.start();
    await registry.createProject('team/app');
    await registry.createUser('dev', { 'team/app': 'maintainer' });
    dev = new TestClient(registry, 'dev');
    await dev.pushImage(REPOSITORY, 'v1');
  });
  afterAll(async () => registry.close());

  it('answers any request with a result or an error of the specification that says what is wrong', async () => {
    await fc.assert(
      fc.asyncProperty(request, async ({ method, path: where, query: asked, headers, body }) => {
        const answer = await exchange(method, `${where}${asked}`, headers, body);
        expect(answer.status).toBeGreaterThanOrEqual(200);
        expect(answer.status).toBeLessThan(500);
        if (answer.status < 400 || method === 'HEAD') return;
        expect(answer.type).toBe('application/json');
        const [error] = (JSON.parse(answer.body) as { errors: { code: string; message: string }[] }).errors;
        expect(CODES).toContain(error?.code);
        expect(error?.message.length).toBeGreaterThan(10);
        expect(error?.message.length).toBeLessThan(1_000);
      }),
      { seed: 3_11, numRuns: 500 },
    );
  });

  it('has stored nothing of all that under a digest that is not its own', async () => {
    const { source } = registry.database;
    const wrong = await source.query<{ digest: string }[]>(
      `SELECT digest FROM manifest WHERE digest <> CASE
         WHEN digest LIKE 'sha512:%' THEN 'sha512:' || encode(sha512(content), 'hex')
         ELSE 'sha256:' || encode(sha256(content), 'hex') END`,
    );
    expect(wrong).toEqual([]);
    const blobs = await source.query<{ digest: string }[]>(
      `SELECT b.digest FROM blob b JOIN repository_blob rb ON rb.blob_id = b.id`,
    );
    expect(blobs.length).toBeGreaterThan(0);
    for (const blob of blobs) {
      const answer = await dev.request('GET', `/v2/${REPOSITORY}/blobs/${blob.digest}`);
      if (answer.status === 200) expect(digestOf(answer.body, blob.digest.split(':')[0])).toBe(blob.digest);
    }
  });

  it.each([
    ['shorter than it says', 'Content-Length: 400', 'data'],
    ['cut within a piece', 'Transfer-Encoding: chunked', '8\r\ndata'],
    ['without its last piece', 'Transfer-Encoding: chunked', '4\r\ndata\r\n'],
    ['in pieces of no length', 'Transfer-Encoding: chunked', 'zz\r\ndata\r\n0\r\n\r\n'],
    ['of two lengths', 'Content-Length: 4\r\nContent-Length: 8', 'data'],
    ['of both kinds', 'Content-Length: 4\r\nTransfer-Encoding: chunked', '4\r\ndata\r\n0\r\n\r\n'],
    ['longer than it says', 'Content-Length: 4', 'data and more'],
  ])('a body that is %s never becomes a blob of another digest', async (what, framing, body) => {
    const repository = `team/app/body-${randomBytes(4).toString('hex')}`;
    const digests = [digestOf('data'), digestOf(body)];
    for (const digest of digests) {
      const socket = registry.connect();
      socket.end(
        `POST /v2/${repository}/blobs/uploads/?digest=${digest} HTTP/1.1\r\nHost: ${registry.host}\r\n` +
          `Authorization: ${basic('dev')}\r\nConnection: close\r\n${framing}\r\n\r\n${body}`,
      );
      expect(await text(socket)).not.toMatch(/^HTTP\/1\.1 5/);
      const answer = await dev.request('GET', `/v2/${repository}/blobs/${digest}`);
      // Only the first bytes of a body that is too long are one, and may be stored as what they are.
      if (what === 'longer than it says' && answer.status === 200) {
        expect(answer.body.toString()).toBe('data');
        expect(digest).toBe(digests[0]);
      } else expect(answer.status).toBe(404);
    }
  });

  it.each([
    'Bearer',
    'Bearer ',
    'Bearer x.y.z',
    `Bearer ${'a'.repeat(8_000)}`,
    `Bearer ${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`,
    'Basic',
    'Basic %%%',
    `Basic ${Buffer.from('dev').toString('base64')}`,
    `Basic ${Buffer.from('dev:\u0000').toString('base64')}`,
    `Basic ${Buffer.from([0xff, 0xfe, 0x3a, 0xff]).toString('base64')}`,
    'Negotiate abc',
    'bearer bearer bearer',
  ])('the credential %j is refused with a challenge', async (authorization) => {
    for (const where of ['/v2/', `/v2/${REPOSITORY}/tags/list`, `/v2/${REPOSITORY}/manifests/v1`]) {
      const answer = await dev.request('GET', where, { headers: { authorization } });
      expect([answer.status, answer.error?.code]).toEqual([401, 'UNAUTHORIZED']);
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer realm="http/);
    }
  });

  it('an upload is continued by none but its own location', async () => {
    const location = await dev.begin(REPOSITORY);
    const id = location.split('/').at(-1) ?? '';
    const forged = [
      id.toUpperCase(),
      `${id}%00`,
      `${id}/`,
      `${id}.`,
      id.replaceAll('-', ''),
      `{${id}}`,
      `${id.slice(0, -1)}${id.endsWith('0') ? '1' : '0'}`,
      `urn:uuid:${id}`,
    ];
    for (const other of forged) {
      for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
        const answer = await dev.request(method, `/v2/${REPOSITORY}/blobs/uploads/${other}?digest=${EMPTY}`);
        expect([other, method, answer.status]).toEqual([other, method, 404]);
      }
    }
    expect((await dev.request('GET', location)).status).toBe(204);
    expect((await dev.request('PUT', `${location}?digest=${EMPTY}`)).status).toBe(201);
    for (const method of ['GET', 'PATCH', 'PUT', 'DELETE']) {
      const answer = await dev.request(method, `${location}?digest=${EMPTY}`);
      expect([method, answer.error?.code]).toEqual([method, 'BLOB_UPLOAD_UNKNOWN']);
    }
  });

  /** As written, without what a client library would tidy up. */
  async function exchange(
    method: string,
    where: string,
    headers: Readonly<Record<string, string>>,
    body: string | null,
  ): Promise<{ status: number; type: string; body: string }> {
    const socket = registry.connect();
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const length = body === null ? '' : `Content-Length: ${Buffer.byteLength(body)}\r\n`;
    socket.write(
      `${method} ${where.replace(/[^!-~]/g, encodeURIComponent)} HTTP/1.1\r\nHost: ${registry.host}\r\nConnection: close\r\n` +
        `Authorization: ${basic('dev')}\r\n${lines.join('')}${length}\r\n${body ?? ''}`,
    );
    const said = await text(socket);
    const end = said.indexOf('\r\n\r\n');
    return {
      status: Number(said.slice(9, 12)),
      type: /^content-type: (.*)$/im.exec(said.slice(0, end))?.[1]?.trim() ?? '',
      body: said.slice(end + 4),
    };
  }
});
