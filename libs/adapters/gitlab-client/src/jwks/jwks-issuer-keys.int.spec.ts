import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GitLabDouble } from '@sluice/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { IssuerKeysError } from '../issuer-keys.ts';
import { JwksIssuerKeys } from './jwks-issuer-keys.ts';

describe('the keys of an issuer', () => {
  let gitlab: GitLabDouble;
  let now: Date;
  const tick = (seconds: number) => {
    now = new Date(now.getTime() + seconds * 1_000);
  };
  const kid = () => gitlab.jwks.keys[1]?.kid ?? expect.fail('no key');
  const keysOf = (options = {}) =>
    new JwksIssuerKeys([{ issuer: gitlab.issuer }], { now: () => now, ...options });
  const code = (action: Promise<unknown>) =>
    action.then(
      () => 'found',
      (error: unknown) => (error instanceof IssuerKeysError ? error.code : error),
    );

  beforeAll(async () => {
    gitlab = await GitLabDouble.start();
  });
  beforeEach(() => {
    now = new Date('2026-11-21T12:00:00Z');
    gitlab.requests.keys = 0;
    gitlab.failWith = null;
    gitlab.cacheControl = 'public, max-age=86400, must-revalidate';
  });
  afterAll(async () => gitlab.stop());

  it('are read once for as long as Cache-Control allows, many requests at once included', async () => {
    const keys = keysOf();
    await Promise.all(Array.from({ length: 5 }, () => keys.keyFor(gitlab.issuer, kid(), 'RS256')));
    tick(86_399);
    await keys.keyFor(gitlab.issuer, kid(), 'RS256');
    expect(gitlab.requests.keys).toBe(1);
    tick(1);
    await keys.keyFor(gitlab.issuer, kid(), 'RS256');
    expect(gitlab.requests.keys).toBe(2);
  });

  it('rotate without overlap: a new kid is looked for at once, the old key is gone', async () => {
    const keys = keysOf();
    const old = kid();
    await keys.keyFor(gitlab.issuer, old, 'RS256');
    await gitlab.rotateKey();
    tick(11);
    expect(await code(keys.keyFor(gitlab.issuer, kid(), 'RS256'))).toBe('found');
    expect(await code(keys.keyFor(gitlab.issuer, old, 'RS256'))).toBe('key-unknown');
  });

  it('invented kids cost one look a cool-down', async () => {
    const keys = keysOf();
    await keys.keyFor(gitlab.issuer, kid(), 'RS256');
    tick(11);
    for (let index = 0; index < 20; index++) {
      expect(await code(keys.keyFor(gitlab.issuer, `invented-${index}`, 'RS256'))).toBe('key-unknown');
    }
    expect(gitlab.requests.keys).toBe(2);
  });

  it('known keys serve on while the issuer is down, for a week', async () => {
    const keys = keysOf();
    await keys.keyFor(gitlab.issuer, kid(), 'RS256');
    gitlab.failWith = 503;
    tick(6 * 86_400);
    expect(await code(keys.keyFor(gitlab.issuer, kid(), 'RS256'))).toBe('found');
    expect(await code(keys.keyFor(gitlab.issuer, 'new', 'RS256'))).toBe('issuer-unavailable');
    tick(86_401);
    expect(await code(keys.keyFor(gitlab.issuer, kid(), 'RS256'))).toBe('issuer-unavailable');
  });

  it('an issuer that is down from the start is asked again after the cool-down', async () => {
    const keys = keysOf();
    gitlab.failWith = 502;
    expect(await code(keys.keyFor(gitlab.issuer, kid(), 'RS256'))).toBe('issuer-unavailable');
    gitlab.failWith = null;
    expect(await code(keys.keyFor(gitlab.issuer, kid(), 'RS256'))).toBe('issuer-unavailable');
    tick(10);
    expect(await code(keys.keyFor(gitlab.issuer, kid(), 'RS256'))).toBe('found');
  });

  it('belong to an algorithm, and to an issuer that is trusted', async () => {
    const keys = keysOf();
    expect(await code(keys.keyFor(gitlab.issuer, kid(), 'ES256'))).toBe('key-unknown');
    expect(await code(keys.keyFor('https://evil.example', kid(), 'RS256'))).toBe('issuer-unknown');
  });

  it('without a kid there must be no choice', async () => {
    expect(await code(keysOf().keyFor(gitlab.issuer, null, 'RS256'))).toBe('key-unknown');
  });

  it('can be pinned in a file, and the network is not used then', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-jwks-'));
    const jwksFile = join(directory, 'jwks.json');
    await writeFile(jwksFile, JSON.stringify(gitlab.jwks));
    const keys = new JwksIssuerKeys([{ issuer: gitlab.issuer, jwksFile }], { now: () => now });
    gitlab.failWith = 500;
    expect(await code(keys.keyFor(gitlab.issuer, kid(), 'RS256'))).toBe('found');
    await gitlab.rotateKey();
    await writeFile(jwksFile, JSON.stringify(gitlab.jwks));
    tick(11);
    expect(await code(keys.keyFor(gitlab.issuer, kid(), 'RS256'))).toBe('found');
    expect(gitlab.requests.keys).toBe(0);
    await rm(directory, { recursive: true });
  });

  describe('of an issuer that answers badly', () => {
    async function withServer(listener: RequestListener, use: (url: string) => Promise<void>): Promise<void> {
      const server = createServer(listener);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      try {
        await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
      } finally {
        server.closeAllConnections();
        server.close();
      }
    }
    const failureOf = async (issuer: string, options = {}) => {
      const keys = new JwksIssuerKeys([{ issuer }], options);
      const error = await keys.keyFor(issuer, 'x', 'RS256').catch((reason: unknown) => reason);
      return error instanceof IssuerKeysError ? `${error.code}: ${error.detail}` : 'found';
    };

    it('keys on another host are refused unless they are configured', async () => {
      await withServer(
        (request, response) =>
          response.end(
            JSON.stringify({
              issuer: `http://${request.headers.host}`,
              jwks_uri: `${gitlab.issuer}/oauth/discovery/keys`,
            }),
          ),
        async (issuer) => {
          expect(await failureOf(issuer)).toMatch(/issuer-unavailable: jwks_uri .* is not at/);
          const keys = new JwksIssuerKeys([{ issuer, jwksUri: `${gitlab.issuer}/oauth/discovery/keys` }]);
          expect(await code(keys.keyFor(issuer, kid(), 'RS256'))).toBe('found');
        },
      );
    });

    it('a discovery document of another issuer is refused', async () => {
      await withServer(
        (_request, response) =>
          response.end(
            JSON.stringify({ issuer: gitlab.issuer, jwks_uri: `${gitlab.issuer}/oauth/discovery/keys` }),
          ),
        async (issuer) => expect(await failureOf(issuer)).toMatch(/names another issuer/),
      );
    });

    it('a redirect is not followed', async () => {
      await withServer(
        (_request, response) => response.writeHead(302, { location: gitlab.issuer }).end(),
        async (issuer) => expect(await failureOf(issuer)).toMatch(/issuer-unavailable/),
      );
    });

    it('an endless answer is cut off at the limit', async () => {
      await withServer(
        (_request, response) => {
          const timer = setInterval(() => response.write('x'.repeat(10_000)), 1);
          response.on('close', () => clearInterval(timer));
        },
        async (issuer) =>
          expect(await failureOf(issuer, { maxBytes: 50_000 })).toMatch(/more than 50000 bytes/),
      );
    });

    it('silence ends at the time limit', async () => {
      await withServer(
        () => undefined,
        async (issuer) =>
          expect(await failureOf(issuer, { timeoutMs: 50 })).toMatch(/issuer-unavailable: .*timeout/),
      );
    });
  });
});
