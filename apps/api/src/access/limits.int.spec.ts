import { MemoryRateLimiter } from '@sluice/rate-limits/memory';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { basic, createTestApi, type TestApi } from '../testing/test-api.ts';

const NONE = { perSecond: 0, burst: 1 };

describe('too many requests to the API', () => {
  let api: TestApi;
  beforeAll(async () => {
    const limits = { principal: { perSecond: 0.1, burst: 3 }, address: NONE };
    api = await createTestApi({ limits: new MemoryRateLimiter(limits, () => 0) });
  });
  afterAll(async () => api[Symbol.asyncDispose]());

  it('are refused with 429, Retry-After and the problem rate-limited', async () => {
    const ask = () =>
      api.app.inject({ url: '/api/v1/me', headers: { authorization: basic('admin', 'admin-password') } });
    for (const expected of [200, 200, 200]) expect((await ask()).statusCode).toBe(expected);
    const refused = await ask();
    expect([refused.statusCode, refused.headers['retry-after']]).toEqual([429, '10']);
    expect(refused.headers['content-type']).toContain('application/problem+json');
    expect(refused.json()).toMatchObject({
      status: 429,
      code: 'rate-limited',
      detail: 'too many requests with these credentials: try again in 10 seconds',
    });
    // Others go on.
    expect((await api.app.inject({ url: '/api/v1/me' })).statusCode).toBe(200);
  });
});
