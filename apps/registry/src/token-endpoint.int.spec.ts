import { basic, BY, SERVICE, TestIdentity } from '@sluice/identity/testing';
import { fastify, type FastifyInstance } from 'fastify';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { registerTokenEndpoint } from './token-endpoint.ts';

interface TokenBody {
  token: string;
  access_token: string;
  expires_in: number;
  issued_at: string;
  scope: string;
  refresh_token?: string;
}

describe('/service/token', () => {
  let test: TestIdentity;
  let server: FastifyInstance;
  const anna = basic('anna', 'password of anna');

  const get = (query: string, authorization?: string) =>
    server.inject({
      url: `/service/token?${query}`,
      ...(authorization === undefined ? {} : { headers: { authorization } }),
    });
  const post = (form: string | Record<string, string | string[]>) => {
    const body = typeof form === 'string' ? form : encode(form);
    return server.inject({
      method: 'POST',
      url: '/service/token',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      payload: body,
    });
  };
  const encode = (form: Record<string, string | string[]>) => {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(form)) {
      for (const each of [value].flat()) parameters.append(name, each);
    }
    return parameters.toString();
  };
  const granted = (response: { json: () => unknown; statusCode: number; body: string }) => {
    expect(response.statusCode, response.body).toBe(200);
    const { access } = decodeJwt<{ access: { name: string; actions: string[] }[] }>(
      (response.json() as TokenBody).token,
    );
    return Object.fromEntries(access.map(({ name, actions }) => [name, actions.join()]));
  };

  beforeAll(async () => {
    test = await TestIdentity.create();
    for (const path of ['team/app', 'team/other', 'secret/app']) await test.project(path);
    await test.project('open/base', 'public');
    await test.project('inner/base', 'internal');
    await test.user('anna', { 'team/app': 'developer', 'team/other': 'reporter' });
    server = fastify();
    await registerTokenEndpoint(server, test.identity.tokenEndpoint);
    await server.ready();
  });
  afterAll(async () => {
    await server.close();
    await test[Symbol.asyncDispose]();
  });

  describe('GET, as docker, skopeo, podman, crane and cosign ask', () => {
    it('docker push: scope in any order, service, account, client_id', async () => {
      const response = await get(
        `account=anna&client_id=docker&scope=${encodeURIComponent('repository:team/app/web:push,pull')}&service=${SERVICE}`,
        anna,
      );
      expect(granted(response)).toEqual({ 'team/app/web': 'pull,push' });
      const body = response.json<TokenBody>();
      expect(body.access_token).toBe(body.token);
      expect(body.expires_in).toBeGreaterThanOrEqual(60);
      expect(new Date(body.issued_at).toISOString()).toBe(body.issued_at);
      expect(body.scope).toBe('repository:team/app/web:pull,push');
      expect(response.headers['cache-control']).toBe('no-store');
    });

    it('docker login: no scope and offline_token=true give a token without refresh_token', async () => {
      const response = await get(`account=anna&client_id=docker&offline_token=true&service=${SERVICE}`, anna);
      expect(granted(response)).toEqual({});
      expect(response.json()).not.toHaveProperty('refresh_token');
    });

    it('crane mounting: several scope parameters give one token for all of them', async () => {
      const response = await get(
        'scope=repository%3Ateam%2Fapp%3Apush%2Cpull&scope=repository:team/other:pull',
        anna,
      );
      expect(granted(response)).toEqual({ 'team/app': 'pull,push', 'team/other': 'pull' });
    });

    it('skopeo delete: * means every action that one has', async () => {
      expect(granted(await get('scope=repository:team/app:*', anna))).toEqual({ 'team/app': 'pull,push' });
    });

    it('less than asked is no error: what is missing is left out', async () => {
      const scopes = [
        'team/other:pull,push',
        'team/app:delete',
        'secret/app:pull',
        'no/where:pull',
        'Bad Name:pull',
      ];
      const query = scopes.map((scope) => `scope=${encodeURIComponent(`repository:${scope}`)}`).join('&');
      expect(granted(await get(query, anna))).toEqual({ 'team/other': 'pull' });
    });

    it('anonymous gets what is public, by a token whose subject is empty', async () => {
      const response = await get('scope=repository:open/base:pull,push&scope=repository:inner/base:pull');
      expect(granted(response)).toEqual({ 'open/base': 'pull' });
      expect(decodeJwt(response.json<TokenBody>().token).sub).toBe('');
      expect(granted(await get('scope=repository:inner/base:pull', anna))).toEqual({ 'inner/base': 'pull' });
    });

    it('a catalog scope, a plugin class and nonsense do no harm', async () => {
      const query = ['registry:catalog:*', 'repository(plugin):team/app:pull', 'nonsense', ':::']
        .map((scope) => `scope=${encodeURIComponent(scope)}`)
        .join('&');
      expect(granted(await get(query, anna))).toEqual({ 'team/app': 'pull' });
    });

    it('wrong credentials: 401, a Basic challenge, and the error form that clients print', async () => {
      const response = await get('scope=repository:open/base:pull', basic('anna', 'wrong'));
      expect(response.statusCode).toBe(401);
      expect(response.headers['www-authenticate']).toMatch(/^Basic /);
      expect(response.json()).toMatchObject({
        errors: [{ code: 'UNAUTHORIZED', message: 'wrong user name or password' }],
      });
    });

    it('too many wrong ones: 429 with Retry-After', async () => {
      let response = await get('', basic('mallory', 'wrong'));
      for (let index = 0; index < 3; index++) response = await get('', basic('mallory', 'wrong'));
      expect(response.statusCode).toBe(429);
      expect(Number(response.headers['retry-after'])).toBeGreaterThan(0);
    });

    it('a registry token buys no other registry token', async () => {
      const { token } = (await get('scope=repository:team/app:pull', anna)).json<TokenBody>();
      expect((await get('scope=repository:team/app:push', `Bearer ${token}`)).statusCode).toBe(401);
    });

    it('another service, a repeated service and too many scopes are refused', async () => {
      expect((await get('service=other.example', anna)).statusCode).toBe(400);
      expect((await get(`service=${SERVICE}&service=${SERVICE}`, anna)).statusCode).toBe(400);
      const many = Array.from({ length: 65 }, (_, index) => `scope=repository:r${index}:pull`).join('&');
      expect((await get(many, anna)).statusCode).toBe(400);
    });
  });

  describe('POST, as containerd, buildkit, oras and helm ask', () => {
    const form = {
      grant_type: 'password',
      service: SERVICE,
      client_id: 'containerd-client',
      username: 'anna',
      password: 'password of anna',
    };

    it('containerd: grant_type password, scopes in one field separated by spaces', async () => {
      const response = await post({
        ...form,
        scope: 'repository:team/app:pull,push repository:team/other:pull',
      });
      expect(granted(response)).toEqual({ 'team/app': 'pull,push', 'team/other': 'pull' });
      expect(response.json()).toMatchObject({ expires_in: 300, token_type: 'Bearer' });
      expect(response.json()).not.toHaveProperty('refresh_token');
    });

    it('podman: several scope fields in the form', async () => {
      const response = await post({
        ...form,
        scope: ['repository:team/app:push', 'repository:team/other:pull'],
      });
      expect(granted(response)).toEqual({ 'team/app': 'push', 'team/other': 'pull' });
    });

    it('helm and oras login: password grant without scope', async () => {
      expect(granted(await post({ ...form, client_id: 'oras-go' }))).toEqual({});
    });

    it('a robot by its secret, its name with $ and + in the form', async () => {
      const node = (await test.nodes.get({ path: 'team/app' })) ?? expect.fail('no node');
      const { robot, secret } = await test.identity.robots.create(BY, 'owner', {
        node,
        name: 'ci',
        role: 'developer',
        scopes: ['repository:team/app/web:pull,push'],
        expiresAt: null,
      });
      const asRobot = { ...form, username: robot.name, password: secret.token };
      const response = await post({
        ...asRobot,
        scope: 'repository:team/app/web:push repository:team/app/db:push',
      });
      expect(granted(response)).toEqual({ 'team/app/web': 'push' });
    });

    it('wrong credentials: 401 (buildkit gives up on 400) with an OAuth error', async () => {
      const response = await post({ ...form, password: 'wrong' });
      expect(response.statusCode).toBe(401);
      expect(response.json()).toEqual({
        error: 'invalid_grant',
        error_description: 'wrong user name or password',
      });
    });

    it.each([
      ['without grant_type', { ...form, grant_type: '' }, 'invalid_request'],
      ['of a grant we do not have', { ...form, grant_type: 'client_credentials' }, 'unsupported_grant_type'],
      ['without a password', { ...form, password: '' }, 'invalid_request'],
      ['with two passwords', { ...form, password: ['a', 'b'] }, 'invalid_request'],
      ['for another service', { ...form, service: 'other.example' }, 'invalid_request'],
    ])('a request %s: 400 with an OAuth error', async (_, wrong, error) => {
      const response = await post(wrong);
      expect(response.statusCode).toBe(400);
      expect(response.json()).toMatchObject({ error });
    });

    it('another body, no body and too large a body end in an OAuth error', async () => {
      const json = await server.inject({
        method: 'POST',
        url: '/service/token',
        payload: { grant_type: 'password' },
      });
      expect([json.statusCode, json.json().error]).toEqual([415, 'invalid_request']);
      const none = await server.inject({ method: 'POST', url: '/service/token' });
      expect([none.statusCode, none.json().error]).toEqual([400, 'invalid_request']);
      const large = await post({ ...form, scope: 'x'.repeat(70_000) });
      expect([large.statusCode, large.json().error]).toEqual([413, 'invalid_request']);
    });

    describe('a refresh token', () => {
      const offline = async () =>
        (await post({ ...form, access_type: 'offline', scope: 'repository:team/app:pull' })).json<TokenBody>()
          .refresh_token ?? expect.fail('no refresh token');
      const refresh = (token: string) =>
        post({
          grant_type: 'refresh_token',
          service: SERVICE,
          client_id: 'x',
          refresh_token: token,
          scope: 'repository:team/app:pull,push',
        });

      it('is given for access_type=offline only, and buys registry tokens with the rights of now', async () => {
        const token = await offline();
        expect(token).toMatch(/^slc_ref_/);
        expect(granted(await refresh(token))).toEqual({ 'team/app': 'pull,push' });
        expect((await refresh(token)).json<TokenBody>().refresh_token).toBe(token);
      });

      it('is good for nothing else', async () => {
        const token = await offline();
        expect((await get('', basic('anna', token))).statusCode).toBe(401);
        expect((await post({ ...form, password: token })).statusCode).toBe(401);
      });

      it('is not given to whoever holds a limited secret', async () => {
        const user = (await test.principals.byName('anna')) ?? expect.fail('no anna');
        const { token } = await test.identity.accessTokens.issue(BY, user, { name: 'x' });
        expect((await post({ ...form, password: token, access_type: 'offline' })).json()).not.toHaveProperty(
          'refresh_token',
        );
        expect((await refresh(token)).statusCode).toBe(401);
      });

      it('ends with a new password: 401 invalid_grant', async () => {
        const user = await test.user('gina', { 'team/app': 'developer' });
        const asGina = { ...form, username: 'gina', password: 'password of gina', access_type: 'offline' };
        const token = (await post(asGina)).json<TokenBody>().refresh_token ?? '';
        expect((await refresh(token)).statusCode).toBe(200);
        await test.identity.users.update(BY, user.id, { password: 'another password' });
        const response = await refresh(token);
        expect([response.statusCode, response.json().error]).toEqual([401, 'invalid_grant']);
      });

      it('is audited when it is given out', async () => {
        test.audit.events.length = 0;
        await offline();
        expect(test.audit.events.map(({ action, actor }) => [action, actor])).toEqual([
          ['token.refresh.create', 'anna'],
        ]);
      });
    });
  });

  it('knows no other method', async () => {
    for (const method of ['HEAD', 'PUT', 'DELETE'] as const) {
      expect((await server.inject({ method, url: '/service/token' })).statusCode).toBe(404);
    }
  });
});
