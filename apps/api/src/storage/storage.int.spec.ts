import { randomBytes } from 'node:crypto';
import { addKey, FileKeys } from '@sluice/blob-storage/encrypted';
import { PostgresObjectKeyEnvelopes } from '@sluice/database/postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { basic, createTestApi, type TestApi } from '../testing/test-api.ts';
import { storageJobs } from './storage-jobs.ts';

const admin = basic('admin', 'admin-password');
const anna = basic('anna', 'anna-password');

describe('storage keys in the API', () => {
  const keys = FileKeys.of(addKey(addKey(addKey({ keys: [] }, 'k1'), 'k0'), 'a1', 'acme'));
  let api: TestApi;
  let plain: TestApi;
  beforeAll(async () => {
    [api, plain] = await Promise.all([createTestApi({ storageKeys: keys }), createTestApi()]);
    await call('POST', '/users', { name: 'anna', password: 'anna-password' });
    await call('POST', '/projects', { path: 'acme/app' });
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
    await plain[Symbol.asyncDispose]();
  });

  function call(
    method: 'GET' | 'POST' | 'PUT',
    path: string,
    payload?: object,
    as = admin,
    to: TestApi = api,
  ) {
    return to.app.inject({
      method,
      url: `/api/v1${path}`,
      headers: { authorization: as },
      ...(payload === undefined ? {} : { payload }),
    });
  }

  it('show every key with its domain, its state and what needs it, and never a secret', async () => {
    const wrapped = await keys.wrap('', randomBytes(32), 'object');
    await new PostgresObjectKeyEnvelopes(api.database.source).put('object', {
      ...wrapped,
      seal: randomBytes(8),
    });
    const response = await call('GET', '/storage/keys');
    expect(response.statusCode, response.body).toBe(200);
    expect(response.json()).toEqual({
      encrypts: true,
      keys: [
        { id: 'k1', domain: null, state: 'active', objects: 1, uploads: 0 },
        { id: 'k0', domain: null, state: 'reading', objects: 0, uploads: 0 },
        { id: 'a1', domain: 'acme', state: 'active', objects: 0, uploads: 0 },
      ],
      domains: [],
    });
  });

  it('are for administrators only', async () => {
    for (const response of [
      await call('GET', '/storage/keys', undefined, anna),
      await call('POST', '/storage/rewraps', undefined, anna),
      await call('PUT', '/storage/key-domains', { path: 'acme', domain: 'acme' }, anna),
    ]) {
      expect(response.statusCode).toBe(403);
    }
  });

  it('are rotated by a job: 202 with Location', async () => {
    const response = await call('POST', '/storage/rewraps');
    expect(response.statusCode, response.body).toBe(202);
    expect(response.json()).toMatchObject({ kind: 'storage.rewrap', state: 'queued' });
    expect(response.headers.location).toBe(`/api/v1/jobs/${response.json<{ id: string }>().id}`);
    expect(Object.keys(storageJobs(new PostgresObjectKeyEnvelopes(api.database.source), keys))).toEqual([
      'storage.rewrap',
    ]);
  });

  it('are given to a node as a domain before its first push', async () => {
    const unknown = await call('PUT', '/storage/key-domains', { path: 'acme', domain: 'other' });
    expect(unknown.statusCode).toBe(400);
    expect(unknown.json()).toMatchObject({ code: 'key-domain-unknown' });
    const nowhere = await call('PUT', '/storage/key-domains', { path: 'nowhere', domain: 'acme' });
    expect(nowhere.statusCode).toBe(404);
    expect((await call('PUT', '/storage/key-domains', { path: 'acme', domain: '' })).statusCode).toBe(400);
    const given = await call('PUT', '/storage/key-domains', { path: 'acme', domain: 'acme' });
    expect(given.statusCode, given.body).toBe(200);
    expect(given.json()).toMatchObject({ domains: [{ path: 'acme', domain: 'acme' }] });
    const taken = await call('PUT', '/storage/key-domains', { path: 'acme', domain: null });
    expect(taken.json()).toMatchObject({ domains: [] });
  });

  it('do not exist where nothing is encrypted: 409 for what needs them', async () => {
    const report = await call('GET', '/storage/keys', undefined, admin, plain);
    expect(report.json()).toEqual({ encrypts: false, keys: [], domains: [] });
    const rewrap = await call('POST', '/storage/rewraps', undefined, admin, plain);
    expect(rewrap.statusCode).toBe(409);
    expect(rewrap.json()).toMatchObject({ code: 'encryption-off' });
    expect(storageJobs(new PostgresObjectKeyEnvelopes(plain.database.source), null)).toEqual({});
  });
});
