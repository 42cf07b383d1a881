import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { basic, createTestApi, type TestApi } from '../testing/test-api.ts';

const admin = basic('admin', 'admin-password');
const maintainer = basic('mia', 'mia-password');
const reporter = basic('rob', 'rob-password');
const stranger = basic('sam', 'sam-password');

function document(name: string, rule = '{name: scanned, kind: scan}'): string {
  return `apiVersion: sluice.dev/v1\nkind: Policy\nmetadata: {name: ${name}}\nspec: {rules: [${rule}]}\n`;
}

describe('policies', () => {
  let api: TestApi;

  async function call(method: 'GET' | 'PUT' | 'DELETE' | 'POST', url: string, as: string, payload?: object) {
    return api.app.inject({
      method,
      url: `/api/v1${url}`,
      headers: { authorization: as },
      ...(payload === undefined ? {} : { payload }),
    });
  }

  async function names(query: string, as: string): Promise<string[]> {
    const response = await call('GET', `/policies${query}`, as);
    return response.json().items.map((policy: { name: string }) => policy.name);
  }

  beforeAll(async () => {
    api = await createTestApi();
    for (const path of ['team/app', 'other/app']) await call('POST', '/projects', admin, { path });
    for (const [name, role] of [
      ['mia', 'maintainer'],
      ['rob', 'reporter'],
      ['sam', null],
    ] as const) {
      await call('POST', '/users', admin, { name, password: `${name}-password` });
      if (role !== null) await call('POST', '/grants', admin, { node: 'team/app', principal: name, role });
    }
  });
  afterAll(async () => api[Symbol.asyncDispose]());

  it('are created with 201, changed with a new version, and left alone when nothing changed', async () => {
    const created = await call('PUT', '/policies', maintainer, {
      node: 'team/app',
      document: document('release'),
    });
    expect(created.statusCode, created.body).toBe(201);
    expect(created.json()).toMatchObject({ node: 'team/app', name: 'release', version: 1, changed: true });
    expect(created.headers.location).toBe(`/api/v1/policies/${created.json().id}`);
    const same = await call('PUT', '/policies', maintainer, {
      node: 'team/app',
      document: document('release'),
    });
    expect([same.statusCode, same.json().changed, same.json().version]).toEqual([200, false, 1]);
    const changed = await call('PUT', '/policies', maintainer, {
      node: 'team/app',
      document: document('release', '{name: signed, kind: signature}'),
      expectedVersion: 1,
    });
    expect([changed.statusCode, changed.json().version]).toEqual([200, 2]);
    const late = await call('PUT', '/policies', maintainer, {
      node: 'team/app',
      document: document('release'),
      expectedVersion: 1,
    });
    expect([late.statusCode, late.json().code]).toEqual([409, 'policy-changed']);
    const full = (await call('GET', `/policies/${created.json().id}`, reporter)).json();
    expect(full.document.spec.rules[0].name).toBe('signed');
    const versions = (await call('GET', `/policies/${created.json().id}/versions`, reporter)).json();
    expect(versions.items.map((each: { version: number }) => each.version)).toEqual([2, 1]);
  });

  it('are refused with every fault of the document', async () => {
    const response = await call('PUT', '/policies', maintainer, {
      node: 'team/app',
      document: document('Bad Name', '{name: a, kind: scans}'),
    });
    expect([response.statusCode, response.json().code]).toEqual([400, 'policy-invalid']);
    expect(response.json().errors).toHaveLength(2);
    expect(response.json().errors[1].message).toContain('did you mean "scan"');
    expect((await call('PUT', '/policies', maintainer, { node: 'team/app' })).statusCode).toBe(400);
  });

  it('are written by maintainers of the node, and by administrators for the installation', async () => {
    const status = async (as: string, node: string | null) =>
      (await call('PUT', '/policies', as, { node, document: document('extra') })).statusCode;
    expect(await status(reporter, 'team/app')).toBe(403);
    expect(await status(stranger, 'team/app')).toBe(404);
    expect(await status(maintainer, 'other/app')).toBe(404);
    expect(await status(maintainer, null)).toBe(403);
    expect(await status(maintainer, 'team/none')).toBe(404);
    expect(await status(admin, 'other/app')).toBe(201);
    expect(await status(admin, null)).toBe(201);
  });

  it('are listed as they hold in a node, or as far as the caller may read them', async () => {
    expect(await names('?node=team/app', reporter)).toEqual(['release', 'extra']);
    expect(await names('', admin)).toEqual(['release', 'extra', 'extra']);
    expect(await names('', stranger)).toEqual(['extra']);
    expect((await call('GET', '/policies?node=other/app', reporter)).statusCode).toBe(404);
    expect((await call('GET', '/policies', '')).statusCode).toBe(401);
  });

  it('are deleted by whoever may write them', async () => {
    const { items } = (await call('GET', '/policies?node=team/app', admin)).json();
    const id = items.find((policy: { node: string | null }) => policy.node === 'team/app').id;
    expect((await call('DELETE', `/policies/${id}`, reporter)).statusCode).toBe(403);
    expect((await call('DELETE', `/policies/${id}`, stranger)).statusCode).toBe(404);
    expect((await call('DELETE', `/policies/${id}`, maintainer)).statusCode).toBe(204);
    expect((await call('GET', `/policies/${id}`, maintainer)).statusCode).toBe(404);
    expect(await names('?node=team/app', reporter)).toEqual(['extra']);
  });
});
