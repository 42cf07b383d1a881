import { Readable } from 'node:stream';
import { PostgresJobLedger } from '@sluice/database/postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { basic, createTestApi, type TestApi } from '../testing/test-api.ts';

const admin = basic('admin', 'admin-password');
const anna = basic('anna', 'anna-password');

describe('advisory data', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await createTestApi();
    await api.app.inject({
      method: 'POST',
      url: '/api/v1/users',
      headers: { authorization: admin },
      payload: { name: 'anna', password: 'anna-password' },
    });
  });
  afterAll(async () => api[Symbol.asyncDispose]());

  function upload(as: string, contentType: string, payload: Readable | string, query = '') {
    return api.app.inject({
      method: 'POST',
      url: `/api/v1/advisory-imports${query}`,
      headers: { authorization: as, 'content-type': contentType },
      payload,
    });
  }

  it('is taken as a stream of any size and becomes a job: 202 with Location', async () => {
    const chunks = Array.from({ length: 40 }, () => Buffer.alloc(64 * 1024, 'x'));
    const response = await upload(admin, 'application/zip', Readable.from(chunks), '?name=npm/all.zip');
    expect(response.statusCode, response.body).toBe(202);
    const job = response.json();
    expect(job).toMatchObject({ kind: 'advisories.import', state: 'queued' });
    expect(response.headers.location).toBe(`/api/v1/jobs/${job.id}`);
    const [stored] = (await new PostgresJobLedger(api.database.source).list({}, { limit: 1 })).items;
    const payload = stored?.payload as { name: string; objectKey: string };
    expect(payload.name).toBe('npm/all.zip');
    expect(await api.blobs.size(payload.objectKey)).toBe(40 * 64 * 1024);
  });

  it('is taken from administrators only, and only as a file', async () => {
    expect((await upload(anna, 'application/zip', 'x')).statusCode).toBe(403);
    expect((await upload('', 'application/zip', 'x')).statusCode).toBe(401);
    expect((await upload(admin, 'application/json', '{}')).json().code).toBe('validation-failed');
    expect((await upload(admin, 'application/xml', 'x')).statusCode).toBe(415);
    expect((await upload(admin, 'application/zip', 'x', '?nam=x')).statusCode).toBe(400);
    const elsewhere = await api.app.inject({
      method: 'POST',
      url: '/api/v1/projects',
      headers: { authorization: admin, 'content-type': 'application/zip' },
      payload: 'x',
    });
    expect(elsewhere.statusCode).toBe(400);
  });

  it('is listed by ecosystem for everybody who is signed in', async () => {
    const list = (authorization: string) =>
      api.app.inject({ url: '/api/v1/advisory-sources', headers: { authorization } });
    expect((await list(anna)).json()).toEqual({ items: [], page: { next: null, limit: 50 } });
    expect((await list('')).statusCode).toBe(401);
  });

  it('stands in the health report, which is for administrators', async () => {
    const health = (authorization: string) =>
      api.app.inject({ url: '/api/v1/health', headers: { authorization } });
    expect((await health(anna)).statusCode).toBe(403);
    const report = (await health(admin)).json();
    expect(report).toMatchObject({ status: 'warn', version: '0.0.0' });
    expect(report.checks.map((check: { name: string }) => check.name)).toEqual([
      'advisory-data',
      'workers',
      'queue',
    ]);
  });
});
