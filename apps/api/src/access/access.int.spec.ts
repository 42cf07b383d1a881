import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { basic, createTestApi, type TestApi } from '../testing/test-api.ts';

interface Answer {
  status: number;
  body: Record<string, unknown> & { items?: Record<string, unknown>[]; page?: { next: string | null } };
  headers: Record<string, unknown>;
}

describe('users, rights and credentials by the API', () => {
  let api: TestApi;
  const admin = basic('admin', 'admin-password');
  const as = (name: string) => basic(name, `password of ${name}`);

  async function call(
    method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE',
    path: string,
    options: { as?: string | null; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<Answer> {
    const authorization = options.as === undefined ? admin : options.as;
    const response = await api.app.inject({
      method,
      url: `/api/v1${path}`,
      headers: { ...(authorization === null ? {} : { authorization }), ...options.headers },
      ...(options.body === undefined ? {} : { payload: options.body as object }),
    });
    return {
      status: response.statusCode,
      body: response.body === '' ? {} : response.json(),
      headers: response.headers,
    };
  }
  const code = ({ status, body }: Answer) => `${status} ${String(body['code'])}`;
  const id = (answer: Answer) =>
    (answer.body['id'] as string | undefined) ?? expect.fail(JSON.stringify(answer));
  const create = (path: string, visibility = 'private') =>
    call('POST', '/projects', { body: { path, visibility } }).then((answer) => id(answer));
  const user = async (name: string, roles: Record<string, string> = {}) => {
    const created = await call('POST', '/users', { body: { name, password: `password of ${name}` } });
    for (const [node, role] of Object.entries(roles)) {
      expect((await call('POST', '/grants', { body: { node, principal: name, role } })).status).toBe(201);
    }
    return id(created);
  };

  beforeAll(async () => {
    api = await createTestApi();
    await create('team/app');
    await create('team/other');
    await create('open/base', 'public');
    await user('anna', { 'team/app': 'developer' });
    await user('mia', { team: 'maintainer' });
    await user('stranger');
  });
  afterAll(async () => api[Symbol.asyncDispose]());

  describe('what a caller may not read does not exist', () => {
    it('404 is the same for what is hidden, what never was, and ids of another kind', async () => {
      const hidden = id(
        await call('GET', `/projects?path=team/app`).then(({ body }) => ({
          status: 200,
          headers: {},
          body: body.items?.[0] ?? {},
        })),
      );
      const never = `prj_${'0'.repeat(32)}`;
      const answers = [];
      for (const each of [hidden, never, hidden.replace('prj', 'usr'), 'prj_x', hidden.toUpperCase()]) {
        const answer = await call('GET', `/projects/${each}`, { as: as('stranger') });
        const { instance: _i, requestId: _r, ...rest } = answer.body;
        answers.push({ status: answer.status, ...rest });
      }
      expect(answers[0]).toMatchObject({
        status: 404,
        code: 'not-found',
        detail: 'there is no such project',
      });
      for (const answer of answers) expect(answer).toEqual(answers[0]);
      expect((await call('GET', `/projects/${hidden}`, { as: as('anna') })).status).toBe(200);
    });

    it('without credentials both are 401 with a challenge', async () => {
      for (const path of [
        `/projects/prj_${'0'.repeat(32)}`,
        '/grants?node=team/app',
        '/grants?node=no/where',
      ]) {
        const answer = await call('GET', path, { as: null });
        expect(code(answer), path).toBe('401 unauthenticated');
        expect(answer.headers['www-authenticate']).toMatch(/Basic/);
      }
    });

    it('who may read it and not change it is told why: 403', async () => {
      const answer = await call('POST', '/grants', {
        as: as('anna'),
        body: { node: 'team/app', principal: 'stranger', role: 'guest' },
      });
      expect(code(answer)).toBe('403 denied');
      expect(answer.body['detail']).toMatch(/member\.manage needs maintainer .* anna has developer/);
    });

    it('lists show what one may see', async () => {
      const seen = async (who: string | null) =>
        (await call('GET', '/projects', { as: who })).body.items?.map((each) => each['path']);
      expect(await seen(null)).toEqual(['open/base']);
      expect(await seen(as('stranger'))).toEqual(['open/base']);
      expect(await seen(as('anna'))).toEqual(['open/base', 'team/app']);
      expect(await seen(admin)).toEqual(['open/base', 'team/app', 'team/other']);
    });

    it('wrong credentials are 401 even where none are needed', async () => {
      expect(code(await call('GET', '/projects', { as: basic('anna', 'wrong') }))).toBe(
        '401 credentials-invalid',
      );
    });
  });

  describe('projects and groups', () => {
    it('need rights on the nearest group, and administration at the top', async () => {
      const by = (who: string, path: string) =>
        call('POST', '/projects', { as: as(who), body: { path } }).then(code);
      expect(await by('mia', 'team/new/thing')).toBe('201 undefined');
      expect(await by('anna', 'team/mine')).toBe('404 not-found');
      expect(await by('mia', 'elsewhere/x')).toBe('404 not-found');
      expect(await by('mia', 'team/app/below')).toBe('400 path-invalid');
      expect(code(await call('POST', '/projects', { as: null, body: { path: 'x' } }))).toBe(
        '401 unauthenticated',
      );
    });

    it('a body that is wrong is told field by field', async () => {
      const answer = await call('POST', '/projects', {
        body: { path: 7, visibility: 'secret', colour: 'red' },
      });
      expect(code(answer)).toBe('400 validation-failed');
      expect(answer.body['errors']).toEqual(
        expect.arrayContaining([
          { pointer: '/path', message: 'expected a path such as team/app' },
          { pointer: '/visibility', message: 'expected one of private, internal, public' },
        ]),
      );
    });

    it('change with If-Match only: 428 without, 412 when it changed, and the ETag moves', async () => {
      const project = await create('team/etag');
      const path = `/projects/${project}`;
      const first = await call('GET', path);
      const etag = String(first.headers['etag']);
      expect((await call('GET', path, { headers: { 'if-none-match': etag } })).status).toBe(304);
      const change = (visibility: string, headers: Record<string, string>) =>
        call('PATCH', path, { body: { visibility }, headers });
      expect(code(await change('internal', {}))).toBe('428 precondition-required');
      const changed = await change('internal', { 'if-match': etag });
      expect(changed.body['visibility']).toBe('internal');
      expect(changed.headers['etag']).not.toBe(etag);
      expect(code(await change('public', { 'if-match': etag }))).toBe('412 precondition-failed');
    });

    it('say whether manifests may come before their blobs; a change leaves what it does not name', async () => {
      const path = `/projects/${await create('team/order')}`;
      const change = (target: string, body: object) =>
        call('PATCH', target, { body, headers: { 'if-match': '*' } });
      expect((await call('GET', path)).body['missingBlobs']).toBe('refuse');
      expect((await change(path, { missingBlobs: 'accept' })).body).toMatchObject({
        visibility: 'private',
        missingBlobs: 'accept',
      });
      expect((await change(path, { visibility: 'internal' })).body['missingBlobs']).toBe('accept');
      for (const body of [{}, { missingBlobs: 'perhaps' }, { missingBlobs: null }]) {
        expect((await change(path, body)).status).toBe(400);
      }
      const group = String((await call('GET', '/groups?path=team')).body.items?.[0]?.['id']);
      expect((await change(`/groups/${group}`, { missingBlobs: 'accept' })).status).toBe(400);
    });

    it('are deleted when empty', async () => {
      const project = await create('short/lived');
      const group = String((await call('GET', '/groups?path=short')).body.items?.[0]?.['id']);
      expect(code(await call('DELETE', `/groups/${group}`))).toBe('409 node-not-empty');
      expect((await call('DELETE', `/projects/${project}`, { as: as('mia') })).status).toBe(404);
      expect((await call('DELETE', `/projects/${project}`)).status).toBe(204);
      expect((await call('DELETE', `/groups/${group}`)).status).toBe(204);
      expect((await call('GET', `/projects/${project}`)).status).toBe(404);
    });

    it('a group is no project', async () => {
      const group = String((await call('GET', '/groups?path=team')).body.items?.[0]?.['id']);
      expect((await call('GET', `/projects/${group.replace('grp', 'prj')}`)).status).toBe(404);
      expect((await call('GET', `/groups/${group}`)).body['path']).toBe('team');
    });

    it('pages follow each other by cursor and Link, without loss', async () => {
      for (let index = 0; index < 5; index++) await create(`paged/p${index}`);
      const paths: unknown[] = [];
      let next: string | null = '/projects?under=paged&limit=2';
      while (next !== null) {
        const answer: Answer = await call('GET', next);
        paths.push(...(answer.body.items ?? []).map((each) => each['path']));
        const link =
          /<\/api\/v1([^>]+)>; rel="next"/.exec((answer.headers['link'] as string | undefined) ?? '')?.[1] ??
          null;
        expect(answer.body.page?.next === null).toBe(link === null);
        next = link;
      }
      expect(paths).toEqual([0, 1, 2, 3, 4].map((index) => `paged/p${index}`));
    });

    it.each([
      'limit=0',
      'limit=501',
      'limit=x',
      'after=nonsense',
      'after=WzIsImEiXQ',
      'limit=1&limit=2',
      'colour=red',
      'under=%00',
    ])('a query that is wrong is 400: %s', async (query) => {
      expect(code(await call('GET', `/projects?${query}`))).toBe('400 validation-failed');
    });

    it('a parameter on a route that takes none is 400', async () => {
      expect(code(await call('GET', '/me?verbose=true'))).toBe('400 validation-failed');
    });
  });

  describe('grants', () => {
    it('are listed with their source, inherited ones when asked', async () => {
      const list = async (query: string) =>
        (await call('GET', `/grants?node=team/app${query}`, { as: as('mia') })).body.items?.map((each) => [
          (each['principal'] as { name: string }).name,
          each['role'],
          each['node'],
          each['sourceDescription'],
        ]);
      expect(await list('')).toEqual([['anna', 'developer', 'team/app', 'by a local grant']]);
      expect(await list('&inherited=true')).toEqual(
        expect.arrayContaining([['mia', 'maintainer', 'team', 'by a local grant']]),
      );
    });

    it('nobody gives or takes a role above their own', async () => {
      const give = (role: string, principal = 'stranger') =>
        call('POST', '/grants', { as: as('mia'), body: { node: 'team/app', principal, role } }).then(code);
      expect(await give('owner')).toBe('403 denied');
      expect(await give('maintainer')).toBe('201 undefined');
      await user('olga', { 'team/app': 'owner' });
      expect(await give('guest', 'olga')).toBe('403 denied');
      const grants = (await call('GET', '/grants?node=team/app')).body.items ?? [];
      const of = (name: string) =>
        String(grants.find((each) => (each['principal'] as { name: string }).name === name)?.['id']);
      expect(code(await call('DELETE', `/grants/${of('olga')}`, { as: as('mia') }))).toBe('403 denied');
      expect((await call('DELETE', `/grants/${of('stranger')}`, { as: as('mia') })).status).toBe(204);
      expect((await call('GET', `/grants/${of('stranger')}`)).status).toBe(404);
    });

    it('an end in the past, an unknown role and an unknown principal are refused', async () => {
      const give = (body: object) =>
        call('POST', '/grants', {
          body: { node: 'team/app', principal: 'stranger', role: 'guest', ...body },
        }).then(code);
      expect(await give({ expiresAt: '2020-01-01T00:00:00Z' })).toBe('400 expiry-invalid');
      expect(await give({ expiresAt: 'tomorrow' })).toBe('400 validation-failed');
      expect(await give({ role: 'king' })).toBe('400 validation-failed');
      expect(await give({ principal: 'nobody' })).toBe('404 principal-unknown');
    });
  });

  describe('the explanation', () => {
    const explain = (query: string, who = admin) => call('GET', `/access/explanation?${query}`, { as: who });

    it('names role, node and source of a right, and what is missing for another', async () => {
      const { body } = await explain('principal=anna&action=repository.push&repository=team/app/web');
      expect(body).toEqual({
        principal: 'anna',
        action: 'repository.push',
        node: 'team/app',
        repository: 'team/app/web',
        allowed: true,
        role: 'developer',
        reasons: ['developer on project team/app by a local grant'],
        until: null,
      });
      const refused = await explain('principal=anna&action=repository.delete&node=team/app');
      expect(refused.body).toMatchObject({ allowed: false, role: 'developer' });
    });

    it('about oneself needs no rights but to read the node; about others those of a member list', async () => {
      expect((await explain('action=repository.push&node=team/app', as('anna'))).body['allowed']).toBe(true);
      expect(code(await explain('action=repository.push&node=team/app', as('stranger')))).toBe(
        '404 not-found',
      );
      expect(
        (await explain('principal=mia&action=policy.write&node=team/app', as('anna'))).body['allowed'],
      ).toBe(true);
      expect(code(await explain('principal=mia&action=project.read&node=open/base', as('stranger')))).toBe(
        '403 denied',
      );
      expect(code(await explain('principal=mia&action=admin.users', as('anna')))).toBe('403 denied');
    });

    it('of anonymous, of an unknown action and of both targets', async () => {
      expect(
        (await explain('principal=anonymous&action=repository.pull&node=open/base')).body['reasons'],
      ).toEqual(['project open/base is public']);
      expect(code(await explain('action=repository.fly&node=team'))).toBe('400 validation-failed');
      expect(code(await explain('action=project.read&node=team&repository=team/app'))).toBe(
        '400 validation-failed',
      );
    });
  });

  describe('users', () => {
    it('are managed by administrators only', async () => {
      for (const [method, path] of [
        ['GET', '/users'],
        ['POST', '/users'],
        ['GET', `/users/usr_${'0'.repeat(32)}`],
      ] as const) {
        const options =
          method === 'POST'
            ? { as: as('anna'), body: { name: 'x', password: 'long enough' } }
            : { as: as('anna') };
        expect(code(await call(method, path, options)), path).toBe('403 denied');
      }
    });

    it('the last administrator stays', async () => {
      const list = (await call('GET', '/users')).body.items ?? [];
      const self = String(list.find((each) => each['name'] === 'admin')?.['id']);
      expect(code(await call('DELETE', `/users/${self}`))).toBe('409 last-admin');
      expect(
        code(
          await call('PATCH', `/users/${self}`, { body: { isAdmin: false }, headers: { 'if-match': '*' } }),
        ),
      ).toBe('409 last-admin');
    });

    it('disabled ones are out at once; names are taken once; views hold no hash', async () => {
      const created = await user('henry');
      expect((await call('GET', '/me', { as: as('henry') })).body['name']).toBe('henry');
      const disabled = await call('PATCH', `/users/${created}`, {
        body: { disabled: true },
        headers: { 'if-match': '*' },
      });
      expect(disabled.body['disabledAt']).toBeTruthy();
      expect(JSON.stringify(disabled.body)).not.toMatch(/argon2|hash/i);
      expect(code(await call('GET', '/me', { as: as('henry') }))).toBe('401 credentials-invalid');
      expect(code(await call('POST', '/users', { body: { name: 'henry', password: 'long enough' } }))).toBe(
        '409 name-taken',
      );
    });

    it('change their own password with the old one, not with a token', async () => {
      await user('ida');
      const token = String(
        (await call('POST', '/tokens', { as: as('ida'), body: { name: 't' } })).body['secret'],
      );
      const change = (currentPassword: string, who = as('ida')) =>
        call('PUT', '/me/password', { as: who, body: { currentPassword, newPassword: 'a new password' } });
      expect(code(await change('wrong'))).toBe('401 credentials-invalid');
      expect(code(await change(token))).toBe('403 denied');
      expect((await change('password of ida')).status).toBe(204);
      expect((await call('GET', '/me', { as: basic('ida', 'a new password') })).status).toBe(200);
      expect((await call('GET', '/me', { as: as('ida') })).status).toBe(401);
    });
  });

  describe('personal access tokens', () => {
    it('are shown once, listed without secret, and work as Bearer and as password', async () => {
      const created = await call('POST', '/tokens', { as: as('anna'), body: { name: 'laptop' } });
      const secret = String(created.body['secret']);
      expect(created.status).toBe(201);
      expect(created.headers['cache-control']).toBe('no-store');
      expect(secret).toMatch(/^slc_pat_/);
      for (const who of [`Bearer ${secret}`, basic('anna', secret)]) {
        expect((await call('GET', '/me', { as: who })).body).toMatchObject({
          name: 'anna',
          kind: 'user',
          scopes: ['*'],
        });
      }
      const list = await call('GET', '/tokens', { as: as('anna') });
      expect(list.body.items?.map((each) => each['name'])).toContain('laptop');
      expect(JSON.stringify(list.body)).not.toContain(secret);
      expect(code(await call('GET', `/tokens/${id(created)}`, { as: as('mia') }))).toBe('404 not-found');
      expect(code(await call('DELETE', `/tokens/${id(created)}`, { as: as('mia') }))).toBe('404 not-found');
      expect((await call('DELETE', `/tokens/${id(created)}`, { as: `Bearer ${secret}` })).status).toBe(204);
      expect(code(await call('GET', '/me', { as: `Bearer ${secret}` }))).toBe('401 credentials-invalid');
    });

    it('a limited token reads what it may and makes no other token', async () => {
      const limited = async (scopes: string[]) =>
        `Bearer ${String((await call('POST', '/tokens', { as: admin, body: { name: 'x', scopes } })).body['secret'])}`;
      const reader = await limited(['api:read']);
      expect((await call('GET', '/grants?node=team/app', { as: reader })).status).toBe(200);
      expect(code(await call('POST', '/projects', { as: reader, body: { path: 'by/reader' } }))).toMatch(
        /^40[34]/,
      );
      expect(code(await call('POST', '/tokens', { as: reader, body: { name: 'y' } }))).toBe('403 denied');
      expect(code(await call('GET', '/users', { as: reader }))).toBe('403 denied');
      const puller = await limited(['repository:team/app/web:pull']);
      expect(code(await call('GET', '/grants?node=team/app', { as: puller }))).toBe('403 denied');
      expect(code(await call('GET', '/grants?node=team/other', { as: puller }))).toBe('404 not-found');
      const seen = async (as: string) =>
        (await call('GET', '/projects?limit=500', { as })).body.items?.map(({ path }) => path);
      expect(await seen(puller), 'a list shows no more than the nodes that may be read').toEqual([
        'team/app',
      ]);
      expect(await seen(reader)).toContain('team/other');
      expect(code(await call('GET', '/access/explanation?action=toString'))).toBe('400 validation-failed');
      expect(code(await call('POST', '/tokens', { body: { name: 'z', scopes: ['everything'] } }))).toBe(
        '400 scope-invalid',
      );
    });
  });

  describe('robots', () => {
    it('are made by maintainers, rotate with overlap, and log in', async () => {
      const created = await call('POST', '/robots', {
        as: as('mia'),
        body: { node: 'team/app', name: 'deploy', role: 'developer' },
      });
      expect(created.status).toBe(201);
      expect(created.body).toMatchObject({
        name: 'robot$team/app+deploy',
        secret: expect.stringMatching(/^slc_rob_/),
      });
      const path = `/robots/${id(created)}`;
      const first = basic('robot$team/app+deploy', String(created.body['secret']));
      expect((await call('GET', '/me', { as: first })).body).toMatchObject({
        kind: 'robot',
        id: id(created),
      });
      const second = await call('POST', `${path}/secrets`, { as: as('mia'), body: {} });
      expect(second.status).toBe(201);
      expect(code(await call('POST', `${path}/secrets`, { body: {} }))).toBe('409 limit-reached');
      expect((await call('DELETE', `${path}/secrets/${String(created.body['secretId'])}`)).status).toBe(204);
      expect((await call('GET', '/me', { as: first })).status).toBe(401);
      expect((await call('GET', '/me', { as: `Bearer ${String(second.body['secret'])}` })).status).toBe(200);
      const secrets = await call('GET', `${path}/secrets`);
      expect(secrets.body.items?.map((each) => each['revokedAt'] === null)).toEqual([true, false]);
      expect(code(await call('GET', path, { as: as('anna') }))).toBe('403 denied');
      expect(code(await call('GET', path, { as: as('stranger') }))).toBe('404 not-found');
      expect((await call('GET', '/robots?node=team/app')).body.items).toHaveLength(1);
      expect((await call('DELETE', path)).status).toBe(204);
    });

    it('have roles on their own node and below only', async () => {
      await call('POST', '/robots', { body: { node: 'team/app', name: 'boxed' } });
      const give = (node: string) =>
        call('POST', '/grants', {
          body: { node, principal: 'robot$team/app+boxed', role: 'developer' },
        }).then(code);
      expect(await give('team')).toBe('400 role-invalid');
      expect(await give('team/other')).toBe('400 role-invalid');
      expect(await give('team/app')).toBe('201 undefined');
    });
  });

  it('/me tells anonymous callers that they are', async () => {
    expect((await call('GET', '/me', { as: null })).body).toMatchObject({ id: null, kind: 'anonymous' });
  });

  it('every change of rights is in the audit log with who, from where and in which request', async () => {
    api.audit.events.length = 0;
    const response = await call('POST', '/grants', {
      as: as('mia'),
      body: { node: 'team/other', principal: 'stranger', role: 'guest' },
    });
    await call('DELETE', `/grants/${id(response)}`, { as: as('mia') });
    await create('audited/x');
    expect(api.audit.events.map(({ actor, action, resource }) => `${actor} ${action} ${resource}`)).toEqual([
      'mia grant.put team/other',
      'mia grant.remove team/other',
      'admin group.create audited',
      'admin project.create audited/x',
    ]);
    expect(api.audit.events[0]).toMatchObject({
      clientAddress: '127.0.0.1',
      requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });
});
