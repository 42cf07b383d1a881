import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { basic, createTestApi, type TestApi } from './testing/test-api.ts';

describe('the API', () => {
  let api: TestApi;
  const admin = basic('admin', 'admin-password');
  beforeAll(async () => {
    api = await createTestApi();
  });
  afterAll(async () => api[Symbol.asyncDispose]());

  it('creates a project and the groups that are missing on the way: 201', async () => {
    const response = await api.app.inject({
      method: 'POST',
      url: '/api/v1/projects',
      headers: { authorization: admin },
      payload: { path: 'team/app', visibility: 'private' },
    });
    expect(response.statusCode, response.body).toBe(201);
    const project = response.json();
    expect(project).toMatchObject({ path: 'team/app', visibility: 'private' });
    const read = await api.app.inject({
      url: `/api/v1/projects/${project.id}`,
      headers: { authorization: admin },
    });
    expect(read.json()).toEqual(project);
  });

  it('answers every fault with one problem document', async () => {
    const cases = [
      [{ method: 'GET', url: '/api/v1/nothing' }, 404, 'not-found'],
      [
        {
          method: 'POST',
          url: '/api/v1/projects',
          headers: { 'content-type': 'application/json' },
          payload: '{',
        },
        400,
        'malformed-request',
      ],
      [
        {
          method: 'POST',
          url: '/api/v1/projects',
          headers: { 'content-type': 'text/yaml' },
          payload: 'a: 1',
        },
        415,
        'media-type-unsupported',
      ],
      [
        { method: 'POST', url: '/api/v1/projects', payload: { path: 'x'.repeat(1_100_000) } },
        413,
        'body-too-large',
      ],
      [
        { method: 'POST', url: '/api/v1/projects', payload: { path: 'a', colour: 'red' } },
        400,
        'validation-failed',
      ],
      [{ method: 'GET', url: '/api/v1/projects?colour=red' }, 400, 'validation-failed'],
      [{ method: 'POST', url: '/api/v1/projects', payload: { path: 'Team/App' } }, 400, 'path-invalid'],
      [{ method: 'POST', url: '/api/v1/projects', payload: { path: 'team/app' } }, 409, 'path-taken'],
    ] as const;
    for (const [request, status, code] of cases) {
      const response = await api.app.inject({
        ...request,
        headers: { authorization: admin, ...('headers' in request ? request.headers : {}) },
      });
      expect(response.headers['content-type'], JSON.stringify(request).slice(0, 100)).toMatch(
        /^application\/problem\+json/,
      );
      expect({ status: response.statusCode, code: response.json().code }).toEqual({ status, code });
      expect(response.json()).toMatchObject({ type: `urn:sluice:problem:${code}`, status });
    }
  });
});
