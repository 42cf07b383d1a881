import { once } from 'node:events';
import { type RateLimit } from '@sluice/rate-limits';
import { MemoryRateLimiter } from '@sluice/rate-limits/memory';
import { afterEach, beforeAll, afterAll, describe, expect, it } from 'vitest';
import { TestClient } from './testing/test-client.ts';
import { basic, TestRegistry } from './testing/test-registry.ts';

const NONE: RateLimit = { perSecond: 0, burst: 1 };
const FEW: RateLimit = { perSecond: 0.1, burst: 4 };

describe('too many requests', () => {
  let registry: TestRegistry;
  const clock = { now: 0 };
  beforeAll(async () => {
    registry = await TestRegistry.start({ limits: limiter(FEW, NONE) });
    await registry.createProject('team/app');
    for (const name of ['dev', 'reader', 'other'])
      await registry.createUser(name, { 'team/app': 'developer' });
  });
  // As if everybody had been quiet for long.
  afterEach(() => void (clock.now += 3_600_000));
  afterAll(async () => registry.close());

  function limiter(principal: RateLimit, address: RateLimit): MemoryRateLimiter {
    return new MemoryRateLimiter({ principal, address }, () => clock.now);
  }

  async function times<Value>(count: number, ask: () => Promise<Value>): Promise<Value[]> {
    const answers: Value[] = [];
    for (let index = 0; index < count; index += 1) answers.push(await ask());
    return answers;
  }

  it('of one principal are refused below /v2 with 429 TOOMANYREQUESTS and Retry-After; others go on', async () => {
    const [dev, other] = [new TestClient(registry, 'dev'), new TestClient(registry, 'other')];
    const answers = await times(5, () => dev.request('GET', '/v2/team/app/web/tags/list'));
    expect(answers.map(({ status }) => status)).toEqual([404, 404, 404, 404, 429]);
    const refused = answers.at(-1);
    expect(refused?.error).toMatchObject({
      code: 'TOOMANYREQUESTS',
      message: 'too many requests with these credentials: try again in 10 seconds',
    });
    expect(refused?.headers.get('retry-after')).toBe('10');
    expect((await other.request('GET', '/v2/')).status).toBe(200);
    clock.now += 10_000;
    expect((await dev.request('GET', '/v2/')).status).toBe(200);
  });

  it('of pulls that are answered from memory are refused as well', async () => {
    const dev = new TestClient(registry, 'dev');
    const image = await unlimited(() => dev.pushImage('team/app/web', 'v1'));
    await registry.judge('team/app/web', image.digest, 'green', null);
    const reader = await new TestClient(registry, 'reader').withToken('repository:team/app/web:pull');
    const pull = () => reader.request('GET', `/v2/team/app/web/manifests/${image.digest}`);
    const answers = await times(6, pull);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429, 429, 429]);
    expect(answers.at(-1)?.headers.get('retry-after')).toBe('10');
  });

  it('at the token endpoint are refused in the form of the registry (GET) and of OAuth (POST)', async () => {
    const get = () =>
      fetch(`${registry.url}/service/token?service=sluice`, { headers: { authorization: basic('other') } });
    const form = {
      grant_type: 'password',
      service: 'sluice',
      username: 'other',
      password: 'a-good-password',
    };
    const answers = await times(5, get);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 429]);
    expect(answers.at(-1)?.headers.get('retry-after')).toBe('10');
    expect(await answers.at(-1)?.json()).toMatchObject({ errors: [{ code: 'TOOMANYREQUESTS' }] });
    const post = await fetch(`${registry.url}/service/token`, {
      method: 'POST',
      body: new URLSearchParams(form),
    });
    expect([post.status, post.headers.get('retry-after')]).toEqual([429, '10']);
    expect(await post.json()).toMatchObject({ error: 'slow_down' });
  });

  it('from one address are refused before any credential is looked at, wrong ones too', async () => {
    const replica = await TestRegistry.join(registry, { limits: limiter(NONE, FEW) });
    try {
      const ask = () =>
        fetch(`${replica.url}/v2/`, { headers: { authorization: 'Bearer slc_pat_wrong' } }).then(
          ({ status }) => status,
        );
      expect(await times(6, ask)).toEqual([401, 401, 401, 401, 429, 429]);
      expect((await new TestClient(replica, 'dev').request('GET', '/v2/')).status).toBe(429);
      clock.now += 3_600_000;
      const unknown = new TestClient(replica, null);
      const challenged = await times(5, () => unknown.request('GET', '/v2/'));
      expect(challenged.map(({ status }) => status)).toEqual([401, 401, 401, 401, 429]);
    } finally {
      await replica.close();
    }
  });

  it('of clients that reset their connection at once have no address, and end nothing but themselves', async () => {
    const dev = new TestClient(registry, 'dev');
    const image = await unlimited(() => dev.pushImage('team/app/reset', 'v1'));
    await registry.judge('team/app/reset', image.digest, 'green', null);
    const replica = await TestRegistry.join(registry, {
      limits: limiter(NONE, NONE),
      trustedProxies: ['10.0.0.0/8'],
    });
    try {
      const reader = await new TestClient(replica, 'reader').withToken('repository:team/app/reset:pull');
      const path = `/v2/team/app/reset/manifests/${image.digest}`;
      for (const asked of [1, 2])
        expect([asked, (await reader.request('GET', path)).status]).toEqual([asked, 200]);
      for (let count = 0; count < 20; count += 1) {
        const socket = replica.connect();
        await once(socket, 'connect');
        socket.write(
          `GET ${path} HTTP/1.1\r\nHost: ${replica.host}\r\nAuthorization: ${reader.authorization ?? ''}\r\n\r\n`,
        );
        socket.resetAndDestroy();
        await once(socket, 'close');
      }
      expect((await reader.request('GET', path)).status).toBe(200);
    } finally {
      await replica.close();
    }
  });

  /** Between two pauses nobody is refused. */
  async function unlimited<Value>(body: () => Promise<Value>): Promise<Value> {
    const ticking = setInterval(() => void (clock.now += 60_000), 1);
    try {
      return await body();
    } finally {
      clearInterval(ticking);
      clock.now += 3_600_000;
    }
  }
});
