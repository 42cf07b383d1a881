import { generateKeyPairSync } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { PostgresAuditLog, PostgresDenialLog, PostgresJobLedger, queryRows } from '@sluice/database/postgres';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { basic, createTestApi, type TestApi } from '../testing/test-api.ts';

const admin = basic('admin', 'admin-password');

describe('what administrators and maintainers read', () => {
  let api: TestApi;
  let anna: string;

  async function call(
    method: 'GET' | 'POST' | 'DELETE',
    url: string,
    options: { as?: string; payload?: object } = {},
  ) {
    return api.app.inject({
      method,
      url: `/api/v1${url}`,
      headers: { authorization: options.as ?? admin },
      ...(options.payload === undefined ? {} : { payload: options.payload }),
    });
  }

  beforeAll(async () => {
    api = await createTestApi();
    await call('POST', '/users', { payload: { name: 'anna', password: 'anna-password' } });
    anna = basic('anna', 'anna-password');
    for (const path of ['team/app', 'other/app']) await call('POST', '/projects', { payload: { path } });
    await call('POST', '/grants', { payload: { node: 'team/app', principal: 'anna', role: 'reporter' } });
  });
  afterAll(async () => api[Symbol.asyncDispose]());

  describe('trusted keys', () => {
    const pem = () =>
      generateKeyPairSync('ec', { namedCurve: 'P-256' })
        .publicKey.export({ type: 'spki', format: 'pem' })
        .toString();

    it('are added by owners, seen by reporters, and inherited downwards', async () => {
      const added = await call('POST', '/trusted-keys', {
        payload: { node: 'team', name: 'release', pem: pem() },
      });
      expect(added.statusCode, added.body).toBe(201);
      expect(added.json()).toMatchObject({ node: 'team', name: 'release', createdBy: 'admin' });
      expect(added.headers.location).toBe(`/api/v1/trusted-keys/${added.json().id}`);
      const inherited = await call('GET', '/trusted-keys?node=team/app', { as: anna });
      expect(inherited.json().items.map((key: { name: string }) => key.name)).toEqual(['release']);
      expect((await call('GET', '/trusted-keys?node=other/app', { as: anna })).statusCode).toBe(404);
      const payload = { node: 'team/app', name: 'mine', pem: pem() };
      expect((await call('POST', '/trusted-keys', { as: anna, payload })).statusCode).toBe(403);
    });

    it('are listed without a node as far as the caller may read them', async () => {
      await call('POST', '/trusted-keys', { payload: { node: 'other/app', name: 'theirs', pem: pem() } });
      await call('POST', '/trusted-keys', { payload: { node: 'team/app', name: 'ours', pem: pem() } });
      const names = async (as: string) =>
        (await call('GET', '/trusted-keys', { as })).json().items.map((key: { name: string }) => key.name);
      expect(await names(admin)).toEqual(['release', 'theirs', 'ours']);
      expect(await names(anna)).toEqual(['ours']);
    });

    it('are refused with the reason when they are no public key, or twice there', async () => {
      const status = async (payload: object) => {
        const response = await call('POST', '/trusted-keys', { payload });
        return [response.statusCode, response.json().code];
      };
      expect(await status({ node: 'team/app', name: 'x', pem: 'nonsense' })).toEqual([400, 'KEY_INVALID']);
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const secret = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      expect(await status({ node: 'team/app', name: 'x', pem: secret })).toEqual([400, 'KEY_IS_PRIVATE']);
      expect(await status({ node: 'team/app', name: 'ours', pem: pem() })).toEqual([
        409,
        'trusted-key-name-taken',
      ]);
      expect(await status({ node: 'team/none', name: 'x', pem: pem() })).toEqual([404, 'not-found']);
      expect(await status({ node: 'team/app', name: 'x' })).toEqual([400, 'validation-failed']);
    });

    it('are removed by their id', async () => {
      const [key] = (await call('GET', '/trusted-keys?node=other/app')).json().items;
      expect((await call('DELETE', `/trusted-keys/${key.id}`, { as: anna })).statusCode).toBe(404);
      expect((await call('DELETE', `/trusted-keys/${key.id}`)).statusCode).toBe(204);
      expect((await call('GET', `/trusted-keys/${key.id}`)).statusCode).toBe(404);
    });
  });

  describe('jobs', () => {
    it('are shown to administrators only, without their payload', async () => {
      const ledger = new PostgresJobLedger(api.database.source);
      const [id = ''] = await ledger.enqueue([{ kind: 'test.job', key: 'a', payload: { path: '/secret' } }]);
      const list = await call('GET', '/jobs?state=queued,running&kind=test.job');
      expect(list.json().items).toHaveLength(1);
      expect(list.body).not.toContain('/secret');
      expect(list.json().items[0]).toMatchObject({ id: `job_${id.replaceAll('-', '')}`, state: 'queued' });
      expect((await call('GET', '/jobs', { as: anna })).statusCode).toBe(403);
      expect((await call('GET', '/jobs?state=lost')).statusCode).toBe(400);
    });

    it('are waited for until they are over, and cancelled', async () => {
      const [job] = (await call('GET', '/jobs?kind=test.job')).json().items;
      const startedAt = Date.now();
      const waiting = call('GET', `/jobs/${job.id}?wait=20`);
      await delay(50);
      const cancelled = await call('POST', `/jobs/${job.id}/cancellation`);
      expect([cancelled.statusCode, cancelled.json().state]).toEqual([202, 'cancelled']);
      expect((await waiting).json().state).toBe('cancelled');
      expect(Date.now() - startedAt).toBeLessThan(5000);
      expect((await call('GET', '/jobs/job_00000000000000000000000000000000')).statusCode).toBe(404);
    });

    it('are paged up to the largest page', async () => {
      const ledger = new PostgresJobLedger(api.database.source);
      await ledger.enqueue(
        Array.from({ length: 502 }, (_, index) => ({ kind: 'test.many', key: String(index), payload: {} })),
      );
      const first = (await call('GET', '/jobs?kind=test.many&limit=500')).json();
      const second = (await call('GET', `/jobs?kind=test.many&limit=500&after=${first.page.next}`)).json();
      expect([first.items.length, second.items.length, second.page.next]).toEqual([500, 2, null]);
    });
  });

  describe('denials', () => {
    it('are seen by whoever may see the repository, and all of them by administrators', async () => {
      const log = new PostgresDenialLog(api.database.source);
      for (const repository of ['team/app/web', 'other/app/web']) {
        log.record({
          at: new Date(),
          principalId: null,
          principalName: 'anonymous',
          tokenId: null,
          repository,
          reference: '1.0',
          digest: `sha256:${'0'.repeat(64)}`,
          rule: 'scan',
          reason: 'scan: not scanned',
          verdictId: '0192a000-0000-7000-8000-000000000001',
          clientAddress: '192.0.2.1',
          userAgent: 'test',
          requestId: null,
        });
      }
      await log.close();
      const repositories = async (query: string, as: string) => {
        const response = await call('GET', `/denials${query}`, { as });
        return response.statusCode === 200
          ? response.json().items.map((denial: { repository: string }) => denial.repository)
          : response.statusCode;
      };
      expect((await repositories('', admin)).toSorted()).toEqual(['other/app/web', 'team/app/web']);
      expect(await repositories('', anna)).toBe(403);
      expect(await repositories('?repository=team/app/web', anna)).toEqual(['team/app/web']);
      expect(await repositories('?node=team/app', anna)).toEqual(['team/app/web']);
      expect(await repositories('?repository=other/app/web', anna)).toBe(404);
      expect(await repositories('?repository=team/app/web&node=other', anna)).toBe(404);
      const [denial] = (await call('GET', '/denials?rule=scan&limit=1')).json().items;
      expect(denial.verdict.url).toBe(`http://sluice.test/api/v1/verdicts/${denial.verdict.id}`);
    });

    it('are not looked for by what no database can hold', async () => {
      for (const query of ['?repository=%00', '?rule=a%00b', '?node=%00']) {
        expect((await call('GET', `/denials${query}`)).statusCode, query).toBe(400);
      }
    });
  });

  describe('audit events', () => {
    it('are read by administrators, newest first, page by page', async () => {
      const log = new PostgresAuditLog(api.database.source);
      const by = { actor: 'anna', tokenId: null, clientAddress: '192.0.2.1', requestId: 'r' };
      for (const [index, resource] of ['team/app', 'team/app/web', 'other'].entries()) {
        await log.record({ ...by, action: 'test.act', resource, decision: 'allowed', detail: { index } });
      }
      const rows = await queryRows(
        api.database.source,
        `SELECT seq FROM audit_event WHERE action = 'test.act'`,
      );
      expect(rows).toHaveLength(3);
      const first = (await call('GET', '/audit-events?action=test.act&limit=2')).json();
      const second = (
        await call('GET', `/audit-events?action=test.act&limit=2&after=${first.page.next}`)
      ).json();
      expect([...first.items, ...second.items].map((event) => event.resource)).toEqual([
        'other',
        'team/app/web',
        'team/app',
      ]);
      expect(first.items[0]).toMatchObject({
        actor: 'anna',
        clientAddress: '192.0.2.1',
        detail: { index: 2 },
      });
      expect((await call('GET', '/audit-events?action=test.act&under=team/app')).json().items).toHaveLength(
        2,
      );
      expect((await call('GET', '/audit-events?since=yesterday')).statusCode).toBe(400);
      expect((await call('GET', '/audit-events', { as: anna })).statusCode).toBe(403);
    });
  });
});
