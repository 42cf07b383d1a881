import { type DoubleProject, GitLabDouble } from '@sluice/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { basic, createTestApi, TEST_URL, type TestApi } from '../testing/test-api.ts';

const ID_TOKEN = 'urn:ietf:params:oauth:token-type:id_token';
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';

describe('CI jobs by the API', () => {
  let gitlab: GitLabDouble;
  let api: TestApi;
  let project: DoubleProject;
  const admin = basic('admin', 'admin-password');

  const send = (
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    authorization: string | null,
    body?: object,
  ) =>
    api.app.inject({
      method,
      url: `/api/v1${path}`,
      headers: authorization === null ? {} : { authorization },
      ...(body === undefined ? {} : { payload: body }),
    });
  const exchange = (form: Record<string, string>, authorization?: string) =>
    api.app.inject({
      method: 'POST',
      url: '/api/v1/token',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        ...(authorization === undefined ? {} : { authorization }),
      },
      payload: new URLSearchParams(form).toString(),
    });
  const mint = () => gitlab.idToken(gitlab.branchJob(project, gitlab.user('anna')), { audience: TEST_URL });
  const form = (subject_token: string, scope = 'repository:team/app/web:pull,push') => ({
    grant_type: EXCHANGE,
    subject_token,
    subject_token_type: ID_TOKEN,
    scope,
  });

  beforeAll(async () => {
    gitlab = await GitLabDouble.start();
    api = await createTestApi({ gitlabIssuers: [gitlab.issuer] });
    project = gitlab.project('acme/app');
    for (const path of ['team/app', 'team/other']) await send('POST', '/projects', admin, { path });
    const binding = {
      node: 'team/app',
      gitlabProjectId: project.id,
      gitlabProjectPath: 'acme/app',
      conditions: { refProtected: true },
    };
    const created = await send('POST', '/ci-bindings', admin, binding);
    expect(created.statusCode, created.body).toBe(201);
    expect(created.json()).toMatchObject({
      node: 'team/app',
      issuer: gitlab.issuer,
      gitlabProjectId: String(project.id),
      role: 'developer',
      conditions: { refProtected: true },
    });
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
    await gitlab.stop();
  });

  it('an id_token is exchanged for a registry token (RFC 8693), once', async () => {
    const idToken = await mint();
    const first = await exchange(form(idToken));
    expect(first.statusCode, first.body).toBe(200);
    expect(first.headers['cache-control']).toBe('no-store');
    expect(first.json()).toEqual({
      access_token: expect.any(String),
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: 300,
      scope: 'repository:team/app/web:pull,push',
    });
    const second = await exchange(form(idToken));
    expect(second.statusCode).toBe(400);
    expect(second.json()).toMatchObject({
      error: 'invalid_request',
      error_description: expect.stringMatching(/claim jti/),
    });
  });

  it('the token reads on the API what it is for, and nothing else', async () => {
    const token = `Bearer ${(await exchange(form(await mint()))).json<{ access_token: string }>().access_token}`;
    const me = await send('GET', '/me', token);
    expect(me.json()).toMatchObject({ kind: 'workload', scopes: ['repository:team/app/web:pull,push'] });
    const explain = (query: string) =>
      send('GET', `/access/explanation?${query}`, token).then((answer) => answer.json());
    expect(await explain('action=repository.read&repository=team/app/web')).toMatchObject({
      allowed: true,
      reasons: [`developer on project team/app by the CI binding of GitLab project ${project.id}`],
    });
    expect(await explain('action=repository.read&repository=team/app/db')).toMatchObject({ allowed: false });
    expect((await send('GET', '/grants?node=team/app', token)).statusCode).toBe(403);
    expect((await send('GET', '/grants?node=team/other', token)).statusCode).toBe(404);
    expect((await send('POST', '/tokens', token, { name: 'x' })).statusCode).toBe(403);
  });

  it('the id_token itself is a password for user gitlab-ci on the API as well', async () => {
    expect((await send('GET', '/me', basic('gitlab-ci', await mint()))).json()).toMatchObject({
      kind: 'workload',
    });
  });

  it.each([
    [{ grant_type: 'password' }, 'unsupported_grant_type'],
    [{ scope: '' }, 'invalid_scope'],
    [{ subject_token: '' }, 'invalid_request'],
    [{ subject_token: 'garbage' }, 'invalid_request'],
    [{ audience: 'https://other.example' }, 'invalid_target'],
  ])('a wrong exchange %j is 400 with an OAuth error', async (changes, error) => {
    const response = await exchange({ ...form(await mint()), ...changes });
    expect([response.statusCode, response.json().error]).toEqual([400, error]);
  });

  it('without a body it is an OAuth error too', async () => {
    const response = await api.app.inject({ method: 'POST', url: '/api/v1/token' });
    expect([response.statusCode, response.json().error]).toEqual([400, 'invalid_request']);
  });

  it('bindings are listed, made once, and removed', async () => {
    const body = { node: 'team/other', gitlabProjectId: '77', gitlabProjectPath: 'acme/x', role: 'reporter' };
    const created = await send('POST', '/ci-bindings', admin, body);
    expect((await send('POST', '/ci-bindings', admin, body)).json()).toMatchObject({
      status: 409,
      code: 'binding-taken',
    });
    const list = await send('GET', '/ci-bindings?node=team/other', admin);
    expect(list.json().items).toEqual([created.json()]);
    const path = `/ci-bindings/${created.json<{ id: string }>().id}`;
    expect((await send('DELETE', path, admin)).statusCode).toBe(204);
    expect((await send('GET', path, admin)).statusCode).toBe(404);
  });

  it.each([
    [{ issuer: 'https://evil.example' }, 'binding-invalid'],
    [{ role: 'owner' }, 'role-invalid'],
    [{ gitlabProjectId: 'acme/app' }, 'validation-failed'],
    [{ gitlabProjectId: 0 }, 'validation-failed'],
    [{ conditions: { branch: 'main' } }, 'validation-failed'],
  ])('a binding with %j is refused', async (changes, code) => {
    const body = { node: 'team/app', gitlabProjectId: '78', gitlabProjectPath: 'acme/y', ...changes };
    expect((await send('POST', '/ci-bindings', admin, body)).json()).toMatchObject({ status: 400, code });
  });
});
