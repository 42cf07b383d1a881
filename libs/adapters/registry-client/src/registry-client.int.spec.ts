import { createHash } from 'node:crypto';
import type { Digest } from '@sluice/domain/oci';
import { afterEach, describe, expect, it } from 'vitest';
import { RegistryClient, type RegistryClientOptions } from './registry-client.ts';
import { type FakeRegistry, type FakeRegistryOptions, startFakeRegistry } from './testing/index.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const ADA = { username: 'ada', password: 'secret' };
const users = { ada: 'secret' };
const digestOf = (bytes: Uint8Array): Digest =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}` as Digest;
const subjectBytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, layers: [] }));
const subject = digestOf(subjectBytes);
const referrer = (name: string): Parameters<RegistryClient['pushReferrer']>[2] => ({
  bytes: Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      artifactType: 'text/plain',
      layers: [],
      subject: { mediaType: MANIFEST, digest: subject, size: subjectBytes.length },
      annotations: { name },
    }),
  ),
  mediaType: MANIFEST,
  artifactType: 'text/plain',
  annotations: { name },
});

describe('RegistryClient', () => {
  const open: FakeRegistry[] = [];
  afterEach(async () => {
    await Promise.all(open.splice(0).map((fake) => fake.close()));
  });
  const start = async (
    options: Partial<FakeRegistryOptions> = {},
    client: Partial<RegistryClientOptions> = {},
  ): Promise<{ fake: FakeRegistry; client: RegistryClient }> => {
    const fake = await startFakeRegistry(options);
    open.push(fake);
    return { fake, client: new RegistryClient({ registry: fake.host, ...client }) };
  };
  /** Answers the paths that match in another way than the fake would. */
  const answering =
    (
      pattern: RegExp,
      status: number,
      headers: Record<string, string>,
      body = '',
    ): FakeRegistryOptions['intercept'] =>
    (request, response) => {
      if (!pattern.test(`${request.method} ${request.url}`)) return false;
      response.writeHead(status, headers).end(body);
      return true;
    };

  describe('contents', () => {
    it('come back as they were pushed, by tag and by digest', async () => {
      const { client } = await start();
      const blob = Buffer.from('blob');
      const digest = await client.putBlob('team/app', blob);
      expect(await client.getBlob('team/app', digest)).toEqual(blob);
      await client.putManifest('team/app', 'v1', { bytes: subjectBytes, mediaType: MANIFEST });
      const expected = { bytes: subjectBytes, mediaType: MANIFEST, digest: subject };
      expect(await client.getManifest('team/app', 'v1')).toEqual(expected);
      expect(await client.getManifest('team/app', subject)).toEqual(expected);
      expect(await client.headManifest('team/app', 'v1')).toEqual({
        mediaType: MANIFEST,
        digest: subject,
        size: subjectBytes.length,
      });
    });

    it('are not sent again when the repository has them', async () => {
      const { fake, client } = await start();
      await client.putBlob('team/app', Buffer.from('blob'));
      const before = fake.requests.length;
      await client.putBlob('team/app', Buffer.from('blob'));
      expect(fake.requests.slice(before).map(({ method }) => method)).toEqual(['HEAD']);
    });

    it('that do not exist are null or NOT_FOUND', async () => {
      const { client } = await start();
      expect(await client.findManifest('team/app', 'v1')).toBeNull();
      expect(await client.headManifest('team/app', 'v1')).toBeNull();
      await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({ code: 'NOT_FOUND' });
      await expect(client.getBlob('team/app', subject)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    });

    it('that are not what their digest says are refused as DIGEST_MISMATCH', async () => {
      const { client } = await start({
        intercept: answering(/^GET .*(manifests|blobs)/, 200, { 'content-type': MANIFEST }, 'lie'),
      });
      await expect(client.getManifest('team/app', subject)).rejects.toMatchObject({
        code: 'DIGEST_MISMATCH',
      });
      await expect(client.getBlob('team/app', subject)).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    });

    it('behind a tag are refused when the registry states another digest', async () => {
      const { client } = await start({
        intercept: answering(/^GET /, 200, { 'docker-content-digest': subject }, 'lie'),
      });
      await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({ code: 'DIGEST_MISMATCH' });
    });

    it.each([
      ['with their length', (size: number): Record<string, string> => ({ 'content-length': String(size) })],
      ['without', (): Record<string, string> => ({})],
    ])('over the limit are refused as TOO_LARGE, stated %s', async (_name, headers) => {
      const body = 'x'.repeat(2000);
      const { client } = await start({ intercept: answering(/blobs/, 200, headers(2000), body) });
      await expect(client.getBlob('team/app', subject, { maxBytes: 1999 })).rejects.toMatchObject({
        code: 'TOO_LARGE',
      });
    });

    it('may lie elsewhere: redirects are followed, without the token', async () => {
      const store = await startFakeRegistry({
        intercept: (request, response) => {
          response.writeHead(200).end('blob');
          return request.url !== '';
        },
      });
      open.push(store);
      const { client } = await start(
        {
          authentication: 'bearer',
          users,
          intercept: answering(/GET .*blobs/, 307, { location: `http://${store.host}/x` }),
        },
        { credentials: ADA },
      );
      expect(await client.findManifest('team/app', 'v1')).toBeNull();
      expect(await client.getBlob('team/app', digestOf(Buffer.from('blob')))).toEqual(Buffer.from('blob'));
      expect(store.requests).toEqual([{ method: 'GET', path: '/x', authorization: undefined }]);
    });

    it.each([
      ['for ever', '/v2/again'],
      ['to nowhere', ''],
      ['to a file', 'file:///etc/passwd'],
    ])('that redirect %s are refused as PROTOCOL', async (_name, location) => {
      const { client } = await start({ intercept: answering(/./, 307, { location }) });
      await expect(client.getBlob('team/app', subject)).rejects.toMatchObject({ code: 'PROTOCOL' });
    });

    it('are never uploaded to another host', async () => {
      const other = await startFakeRegistry();
      open.push(other);
      const { client } = await start({
        intercept: answering(/^POST/, 202, { location: `http://${other.host}/v2/x/blobs/uploads/1` }),
      });
      await expect(client.putBlob('team/app', Buffer.from('b'))).rejects.toMatchObject({ code: 'PROTOCOL' });
      expect(other.requests).toEqual([]);
    });
  });

  describe('authentication', () => {
    it('by Bearer: asks the token service once for a scope, with the password', async () => {
      const { fake, client } = await start({ authentication: 'bearer', users }, { credentials: ADA });
      await client.putBlob('team/app', Buffer.from('one'));
      await client.putBlob('team/app', Buffer.from('two'));
      const asked = fake.requests.filter(({ path }) => path.startsWith('/token'));
      expect(asked).toHaveLength(1);
      const query = new URL(asked[0]?.path ?? '', 'http://x').searchParams;
      expect(query.get('service')).toBe('fake');
      expect(query.getAll('scope')).toContain('repository:team/app:pull,push');
      expect(asked[0]?.authorization).toMatch(/^Basic /);
      expect(fake.requests.at(-1)?.authorization).toMatch(/^Bearer /);
    });

    it('by Basic: sends the password once asked, and from then on at once', async () => {
      const { fake, client } = await start({ authentication: 'basic', users }, { credentials: ADA });
      await client.ping();
      await client.ping();
      expect(fake.requests.map(({ authorization }) => authorization?.split(' ')[0])).toEqual([
        undefined,
        'Basic',
        'Basic',
      ]);
    });

    it.each(['basic', 'bearer'] as const)(
      'by %s: wrong or missing passwords are UNAUTHORIZED',
      async (authentication) => {
        const { fake } = await start({ authentication, users });
        for (const credentials of [null, { username: 'ada', password: 'wrong' }]) {
          const client = new RegistryClient({ registry: fake.host, credentials });
          await expect(client.ping()).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
          await expect(client.findManifest('team/app', 'v1')).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
        }
      },
    );

    it('gives up when a fresh token is refused too', async () => {
      const { fake, client } = await start({ authentication: 'bearer', users }, { credentials: ADA });
      fake.options.intercept = answering(/^GET .*manifests/, 401, {
        'www-authenticate': `Bearer realm="http://${fake.host}/token"`,
      });
      await expect(client.findManifest('team/app', 'v1')).rejects.toMatchObject({ code: 'UNAUTHORIZED' });
      expect(fake.requests).toHaveLength(3);
    });

    it.each([
      ['plain HTTP on another host', 'http://auth.example/token'],
      ['no URL', 'token'],
      ['a URL with a user', 'https://user@auth.example/token'],
      ['another scheme', 'ftp://auth.example/token'],
    ])('never sends the password to a realm with %s', async (_name, realm) => {
      const { fake, client } = await start(
        { intercept: answering(/./, 401, { 'www-authenticate': `Bearer realm="${realm}"` }) },
        { credentials: ADA },
      );
      await expect(client.ping()).rejects.toMatchObject({ code: 'PROTOCOL' });
      expect(fake.requests.every(({ authorization }) => authorization === undefined)).toBe(true);
    });

    it('does not follow a redirect of the token service', async () => {
      const other = await startFakeRegistry();
      open.push(other);
      const { client } = await start(
        {
          authentication: 'bearer',
          intercept: answering(/token/, 307, { location: `http://${other.host}/token` }),
        },
        { credentials: ADA },
      );
      await expect(client.ping()).rejects.toMatchObject({ code: 'PROTOCOL' });
      expect(other.requests).toEqual([]);
    });

    it.each(['', '{}', 'null', '{"token":"two\\r\\nlines"}', `{"token":"${'x'.repeat(70_000)}"}`])(
      'refuses an answer of the token service without a usable token (%#)',
      async (body) => {
        const { client } = await start({
          authentication: 'bearer',
          intercept: answering(/token/, 200, {}, body),
        });
        await expect(client.ping()).rejects.toMatchObject({
          code: expect.stringMatching(/PROTOCOL|TOO_LARGE/) as string,
        });
      },
    );

    it('says so when the scheme is one that nobody here speaks', async () => {
      const { client } = await start({ intercept: answering(/./, 401, { 'www-authenticate': 'Negotiate' }) });
      await expect(client.ping()).rejects.toThrow(/neither Bearer nor Basic/);
    });
  });

  describe('refusals', () => {
    it('carry status, code and message of the registry in one printable line', async () => {
      const errors = JSON.stringify({ errors: [{ code: 'DENIED', message: 'red:\n\u001b[31m no' }] });
      const { client } = await start({ intercept: answering(/./, 403, {}, errors) });
      await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({
        code: 'DENIED',
        status: 403,
        ociCode: 'DENIED',
        message: expect.stringMatching(/403 DENIED: red: \[31m no$/) as string,
      });
    });

    it('for too many requests say when to come again', async () => {
      const { client } = await start({ intercept: answering(/./, 429, { 'retry-after': '7' }, 'no json') });
      await expect(client.getManifest('team/app', 'v1')).rejects.toMatchObject({
        code: 'RATE_LIMITED',
        retryAfterSeconds: 7,
        ociCode: null,
      });
    });

    it('include a registry that is not there, or does not answer in time', async () => {
      const nobody = new RegistryClient({ registry: '127.0.0.1:9' });
      await expect(nobody.ping()).rejects.toMatchObject({ code: 'UNREACHABLE' });
      const { client } = await start({ intercept: () => true }, { timeoutMs: 100 });
      await expect(client.ping()).rejects.toThrow(/within 0.1 s/);
    });

    it('are not made of the caller giving up: that is the error of its signal', async () => {
      const { client } = await start({ intercept: () => true });
      const reason = new Error('stop');
      await expect(client.ping({ signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    });

    it.each(['a b', 'host/path', 'user@host', 'host:port'])('refuse the registry name %j', (registry) => {
      expect(() => new RegistryClient({ registry })).toThrow(
        expect.objectContaining({ code: 'REFERENCE_INVALID' }),
      );
    });
  });

  describe.each([true, false])('referrers (API: %s)', (hasReferrersApi) => {
    it('are listed after they were pushed, all of them', async () => {
      const { fake, client } = await start({ hasReferrersApi, pageSize: 1 });
      expect(await client.listReferrers('team/app', subject)).toEqual([]);
      for (const name of ['one', 'two', 'three'])
        await client.pushReferrer('team/app', subject, referrer(name));
      const listed = await client.listReferrers('team/app', subject);
      expect(listed.map(({ annotations }) => annotations?.['name'])).toEqual(['one', 'two', 'three']);
      expect(listed.every(({ artifactType }) => artifactType === 'text/plain')).toBe(true);
      const fallback = fake.repositories.get('team/app')?.tags.has(`sha256-${subject.slice(7)}`);
      expect(fallback).toBe(!hasReferrersApi);
    });

    it('are listed once when pushed twice', async () => {
      const { client } = await start({ hasReferrersApi });
      await client.pushReferrer('team/app', subject, referrer('one'));
      await client.pushReferrer('team/app', subject, referrer('one'));
      expect(await client.listReferrers('team/app', subject)).toHaveLength(1);
    });
  });

  describe('the fallback tag', () => {
    it('is written again when somebody else has overwritten it in between', async () => {
      const { fake, client } = await start({ hasReferrersApi: false });
      let lost = 0;
      fake.options.intercept = (request, response) => {
        if (lost > 0 || request.method !== 'PUT' || !request.url?.includes('/manifests/sha256-'))
          return false;
        lost += 1;
        response.writeHead(201).end();
        return true;
      };
      await client.pushReferrer('team/app', subject, referrer('one'));
      expect(lost).toBe(1);
      expect(await client.listReferrers('team/app', subject)).toHaveLength(1);
    });

    it('is read when the referrers API answers with something that is no index', async () => {
      const { fake, client } = await start({ hasReferrersApi: false });
      await client.pushReferrer('team/app', subject, referrer('one'));
      fake.options.intercept = answering(/referrers/, 200, { 'content-type': 'text/html' }, '<html>');
      expect(await client.listReferrers('team/app', subject)).toHaveLength(1);
    });
  });

  it('lists tags page by page', async () => {
    const { client } = await start({ pageSize: 2 });
    for (const tag of ['c', 'a', 'e', 'b', 'd'])
      await client.putManifest('team/app', tag, { bytes: subjectBytes, mediaType: MANIFEST });
    expect(await client.listTags('team/app')).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('does not follow the next page to another host', async () => {
    const { client } = await start({
      intercept: answering(/tags/, 200, { link: '<http://other.example/x>; rel="next"' }, '{"tags":["a"]}'),
    });
    await expect(client.listTags('team/app')).rejects.toMatchObject({ code: 'PROTOCOL' });
  });
});
