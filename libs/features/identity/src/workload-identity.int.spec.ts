import { AccessError, type BindingConditions, type Caller, type Role } from '@sluice/domain/access';
import {
  type DoubleProject,
  type DoubleUser,
  GitLabDouble,
  type Job,
  type TokenOptions,
} from '@sluice/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { BY, PUBLIC_URL, SERVICE, TestIdentity } from './testing/test-identity.ts';
import { TOKEN_EXCHANGE_GRANT } from './token-exchange.ts';

const ID_TOKEN = 'urn:ietf:params:oauth:token-type:id_token';

describe('a GitLab job with its id_token', () => {
  let gitlab: GitLabDouble;
  let test: TestIdentity;
  let app: DoubleProject;
  let user: DoubleUser;

  const bind = async (
    project: DoubleProject,
    path: string,
    role: Role,
    conditions: BindingConditions = {},
  ) => {
    const node = (await test.nodes.get({ path })) ?? expect.fail(`no ${path}`);
    return test.identity.ciBindings.create(BY, 'owner', {
      issuer: gitlab.issuer,
      gitlabProjectId: String(project.id),
      gitlabProjectPath: project.path,
      nodeId: node.id,
      role,
      conditions,
    });
  };
  const mint = (job: Job, options: Partial<TokenOptions> = {}) =>
    gitlab.idToken(job, { audience: PUBLIC_URL, now: test.now(), ...options });
  const login = (idToken: string) => test.identity.authentication.login('gitlab-ci', idToken, '10.0.0.1');
  const refusal = (action: Promise<unknown>) =>
    action.then(
      () => 'accepted',
      (error: unknown) => (error instanceof AccessError ? `${error.code}: ${error.message}` : error),
    );
  /** What the token endpoint grants of pull and push on a repository. */
  const rights = async (caller: Caller, repository: string) =>
    (
      await test.identity.tokenEndpoint.issue(caller, [`repository:${repository}:pull,push,delete`])
    ).scope.split(':')[2] ?? '';

  beforeAll(async () => {
    gitlab = await GitLabDouble.start();
    test = await TestIdentity.create([gitlab.issuer]);
    for (const path of ['team/app', 'team/release', 'team/other', 'forks/app']) await test.project(path);
    await test.project('open/base', 'public');
    await test.project('inner/base', 'internal');
    app = gitlab.project('acme/app');
    user = gitlab.user('anna');
    await bind(app, 'team/app', 'developer');
  });
  afterEach(() => {
    test.ahead = 0;
    gitlab.failWith = null;
  });
  afterAll(async () => {
    await test[Symbol.asyncDispose]();
    await gitlab.stop();
  });

  it('is the workload of its GitLab project, with what the token says as provenance', async () => {
    const job = gitlab.branchJob(app, user, 'main');
    const { principal } = await login(await mint(job));
    expect(principal).toEqual({
      kind: 'workload',
      id: expect.any(String),
      name: `gitlab:${gitlab.issuer}#${app.id}`,
      epoch: 1,
      provenance: {
        issuer: gitlab.issuer,
        projectId: String(app.id),
        projectPath: 'acme/app',
        ref: 'main',
        refType: 'branch',
        refProtected: true,
        pipelineId: String(job.pipelineId),
        pipelineSource: 'push',
        jobId: String(job.jobId),
        sha: job.sha,
        userId: String(user.id),
        userLogin: 'anna',
      },
    });
  });

  it('has the role of its binding there, what is public, and nothing else', async () => {
    const caller = await login(await mint(gitlab.branchJob(app, user)));
    expect(await rights(caller, 'team/app/web')).toBe('pull,push');
    expect(await rights(caller, 'team/other')).toBe('');
    expect(await rights(caller, 'open/base')).toBe('pull');
    expect(await rights(caller, 'inner/base')).toBe('');
  });

  it('its registry token ends with the id_token', async () => {
    const caller = await login(await mint(gitlab.branchJob(app, user), { lifetimeSeconds: 120 }));
    const { expires_in } = await test.identity.tokenEndpoint.issue(caller, ['repository:team/app:push']);
    expect(expires_in).toBeGreaterThan(110);
    expect(expires_in).toBeLessThanOrEqual(120);
  });

  it('its registry token carries provenance to the push, and its rights to the API', async () => {
    const caller = await login(await mint(gitlab.tagJob(app, user, 'v1.0')));
    const { token } = await test.identity.tokenEndpoint.issue(caller, ['repository:team/app/web:push']);
    const back = await test.identity.authentication.authenticateFresh(`Bearer ${token}`, '10.0.0.1');
    expect(back.principal).toEqual(caller.principal);
    const may = (action: 'repository.push' | 'repository.delete', repository: string) =>
      test.identity.accessControl
        .decide(back, action, { repository }, repository)
        .then((answer) => answer.decision.allowed);
    expect([
      await may('repository.push', 'team/app/web'),
      await may('repository.push', 'team/app/db'),
      await may('repository.delete', 'team/app/web'),
    ]).toEqual([true, false, false]);
  });

  it('ends within the same second that its binding is removed', async () => {
    const project = gitlab.project('acme/short');
    const binding = await bind(project, 'team/other', 'developer');
    const idToken = await mint(gitlab.branchJob(project, user));
    const { token } = await test.identity.tokenEndpoint.issue(await login(idToken), [
      'repository:team/other:push',
    ]);
    await test.identity.ciBindings.remove(BY, binding.id);
    expect(await refusal(test.identity.authentication.authenticateFresh(`Bearer ${token}`, '::1'))).toMatch(
      /revoked/,
    );
    expect(await refusal(login(idToken))).toBe(
      `credentials-invalid: id_token refused: claim project_id: expected a GitLab project that is bound here, given ${project.id} (acme/short)`,
    );
  });

  describe('of a fork', () => {
    it('in a merge-request pipeline of the parent never pushes, even where the fork is bound', async () => {
      const fork = gitlab.project('eve/app');
      await bind(fork, 'forks/app', 'developer');
      const own = await login(await mint(gitlab.branchJob(fork, user)));
      expect(await rights(own, 'forks/app')).toBe('pull,push');
      const inParent = await login(await mint(gitlab.forkMergeRequestJob(fork, app, user, 'patch')));
      expect(await rights(inParent, 'forks/app')).toBe('pull');
      expect(await rights(inParent, 'team/app')).toBe('');
      expect(inParent.limits?.[0]).toBe(
        `claim job_project_id: expected ${fork.id} (project_id), given ${app.id}: a pipeline that runs for another project may not push`,
      );
    });

    it('that runs under the claims of the parent never pushes to it', async () => {
      const fork = gitlab.project('eve/app2');
      const job = { ...gitlab.mergeRequestJob(app, user, 'patch'), runsIn: fork };
      expect(await rights(await login(await mint(job)), 'team/app')).toBe('pull');
    });

    it('on a GitLab before 18.4 is taken for one in every merge-request pipeline', async () => {
      const old = (job: Job): Job => ({ ...job, runsIn: null });
      expect(
        await rights(await login(await mint(old(gitlab.mergeRequestJob(app, user, 'x')))), 'team/app'),
      ).toBe('pull');
      expect(await rights(await login(await mint(old(gitlab.branchJob(app, user)))), 'team/app')).toBe(
        'pull,push',
      );
    });

    it('that is not bound is refused', async () => {
      const stranger = gitlab.project('mallory/app');
      expect(await refusal(login(await mint(gitlab.branchJob(stranger, user))))).toMatch(/claim project_id/);
    });
  });

  it('conditions of a binding: unmet, it gives nothing, and the refusal names claim, expected and given', async () => {
    const project = gitlab.project('acme/lib');
    await bind(project, 'team/release', 'developer', { refProtected: true, refType: 'tag' });
    expect(await refusal(login(await mint(gitlab.branchJob(project, user, 'feature'))))).toBe(
      'credentials-invalid: id_token refused: claim ref_protected: expected true, given false; claim ref_type: expected tag, given branch',
    );
    expect(await rights(await login(await mint(gitlab.tagJob(project, user, 'v1'))), 'team/release')).toBe(
      'pull,push',
    );
    await bind(project, 'team/other', 'developer');
    const partly = await login(await mint(gitlab.branchJob(project, user, 'feature')));
    expect([await rights(partly, 'team/other'), await rights(partly, 'team/release')]).toEqual([
      'pull,push',
      '',
    ]);
  });

  describe('a hostile token', () => {
    const job = () => gitlab.branchJob(app, user);
    const options = () => ({ audience: PUBLIC_URL, now: test.now() });

    it.each<[string, () => Promise<string> | string, RegExp]>([
      [
        'with alg none',
        () => gitlab.unsignedToken(job(), options()),
        /header alg: expected RS256 or ES256, given "none"/,
      ],
      [
        'with HS256 and the public key',
        () => gitlab.publicKeyHmacToken(job(), options()),
        /header alg: .* given "HS256"/,
      ],
      ['signed by another key', () => gitlab.forgedToken(job(), options()), /signature does not verify/],
      [
        'with an unknown kid',
        () => mint(job(), { kid: 'invented' }),
        /no key for RS256 with the id "invented"/,
      ],
      [
        'whose claims were changed',
        () => gitlab.tamperedToken(job(), options(), { project_id: '1' }),
        /signature does not verify/,
      ],
      [
        'for another audience',
        () => mint(job(), { audience: 'https://other.example' }),
        /claim aud: expected exactly https:\/\/sluice\.example, given "https:\/\/other\.example"/,
      ],
      [
        'for two audiences',
        () => mint(job(), { audience: [PUBLIC_URL, 'https://other.example'] }),
        /claim aud/,
      ],
      ['that has expired', () => mint(job(), { lifetimeSeconds: -31 }), /claim exp: expected later than/],
      [
        'that is not valid yet',
        () => mint(job(), { claims: { nbf: Math.floor(Date.now() / 1_000) + 120 } }),
        /claim nbf: expected not later than/,
      ],
      ['without jti', () => mint(job(), { claims: { jti: undefined } }), /claim jti: expected a string/],
      [
        'with a number as project_id',
        () => mint(job(), { claims: { project_id: 42 } }),
        /claim project_id: expected a decimal string/,
      ],
      [
        'with a boolean as ref_protected',
        () => mint(job(), { claims: { ref_protected: true } }),
        /claim ref_protected/,
      ],
      [
        'of an issuer that is not ours',
        () => mint(job(), { claims: { iss: 'https://evil.example' } }),
        /claim iss: expected .*, given "https:\/\/evil\.example"/,
      ],
      [
        'that is huge',
        () => mint(job(), { claims: { groups_direct: Array.from({ length: 3_000 }, () => 'a/long/path') } }),
        /the password or token is too long/,
      ],
      ['that is garbage', () => 'not.a.jwt', /not a signed JWT/],
      ['that is a password', () => 'hunter2hunter2', /not a signed JWT/],
    ])('%s is refused', async (_, token, message) => {
      const answer = await refusal(login(await token()));
      expect(answer).toMatch(
        /^credentials-invalid: id_token refused: |^credentials-invalid: the password or token is too long/,
      );
      expect(answer).toMatch(message);
    });

    it('of another GitLab that has our key id is refused', async () => {
      const other = await GitLabDouble.start();
      const token = await other.idToken(other.branchJob(app, user), {
        audience: PUBLIC_URL,
        claims: { iss: gitlab.issuer },
      });
      expect(await refusal(login(token))).toMatch(/no key for RS256/);
      await other.stop();
    });
  });

  it('with 200 group paths in its token is accepted', async () => {
    const groups_direct = Array.from(
      { length: 200 },
      (_, index) => `acme/group-with-a-long-name-${index}/subgroup`,
    );
    expect(await refusal(login(await mint(gitlab.branchJob(app, user), { claims: { groups_direct } })))).toBe(
      'accepted',
    );
  });

  describe('the keys of GitLab', () => {
    it('rotate without overlap, and the next token is accepted', async () => {
      await login(await mint(gitlab.branchJob(app, user)));
      await gitlab.rotateKey();
      test.ahead = 11;
      expect(await refusal(login(await mint(gitlab.branchJob(app, user))))).toBe('accepted');
    });

    it('that cannot be read make it "not now", never "accepted"', async () => {
      const fresh = await TestIdentity.create([gitlab.issuer]);
      gitlab.failWith = 503;
      const idToken = await mint(gitlab.branchJob(app, user));
      expect(await refusal(fresh.identity.authentication.login('gitlab-ci', idToken, '::1'))).toMatch(
        /^credentials-unavailable: id_token cannot be checked now/,
      );
      await fresh[Symbol.asyncDispose]();
    });
  });

  describe('its one-time id (jti)', () => {
    it('the same token is sent with every request by docker, and accepted', async () => {
      const idToken = await mint(gitlab.branchJob(app, user));
      for (let index = 0; index < 3; index++) expect(await refusal(login(idToken))).toBe('accepted');
    });

    it('another token with the same jti is refused', async () => {
      await login(await mint(gitlab.branchJob(app, user), { claims: { jti: 'once' } }));
      expect(
        await refusal(login(await mint(gitlab.branchJob(app, user, 'other'), { claims: { jti: 'once' } }))),
      ).toBe(
        'credentials-invalid: id_token refused: claim jti: expected one that is used once, given once, which was seen with another token',
      );
    });
  });

  describe('exchanging it (RFC 8693)', () => {
    const exchange = (subject_token: string, changes: Record<string, string> = {}) =>
      test.identity.tokenExchange.exchange(
        {
          grant_type: TOKEN_EXCHANGE_GRANT,
          subject_token,
          subject_token_type: ID_TOKEN,
          scope: 'repository:team/app/web:pull,push',
          ...changes,
        },
        { address: '10.0.0.1', requestId: 'r1' },
      );

    it('gives a token for the repositories asked for and no others, and is audited', async () => {
      test.audit.events.length = 0;
      const response = await exchange(await mint(gitlab.branchJob(app, user)), {
        scope: 'repository:team/app/web:pull,push repository:team/other:push',
      });
      expect(response).toMatchObject({
        issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        token_type: 'Bearer',
        scope: 'repository:team/app/web:pull,push',
      });
      const caller = await test.identity.registryTokens.verify(response.access_token);
      expect(caller.access).toEqual([{ repository: 'team/app/web', actions: ['pull', 'push'] }]);
      expect(test.audit.events.map(({ action, detail }) => [action, detail['granted']])).toEqual([
        ['token.exchange', 'repository:team/app/web:pull,push'],
      ]);
    });

    it('works once a token, also after it was used as password', async () => {
      const idToken = await mint(gitlab.branchJob(app, user));
      await login(idToken);
      expect(await refusal(exchange(idToken))).toBe('accepted');
      expect(await refusal(exchange(idToken))).toMatch(/claim jti: .* which was exchanged before/);
      expect(await refusal(login(idToken))).toBe('accepted');
    });

    it.each([
      [{ scope: '' }, 'invalid_scope'],
      [{ scope: 'registry:catalog:*' }, 'invalid_scope'],
      [{ grant_type: 'password' }, 'unsupported_grant_type'],
      [{ subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' }, 'invalid_request'],
      [{ requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' }, 'invalid_request'],
      [{ audience: 'other.example' }, 'invalid_target'],
    ])('%j is refused before the token is used up', async (changes, code) => {
      const idToken = await mint(gitlab.branchJob(app, user));
      await expect(exchange(idToken, changes)).rejects.toMatchObject({ code });
      expect(await refusal(exchange(idToken, { audience: SERVICE }))).toBe('accepted');
    });
  });

  it('a binding needs a GitLab that is trusted, and a role that machines can have', async () => {
    const node = (await test.nodes.get({ path: 'team/app' })) ?? expect.fail('no node');
    const binding = {
      issuer: 'https://evil.example',
      gitlabProjectId: '1',
      gitlabProjectPath: 'x/y',
      nodeId: node.id,
      role: 'developer',
      conditions: {},
    } as const;
    expect(await refusal(test.identity.ciBindings.create(BY, 'owner', binding))).toMatch(
      /^binding-invalid: issuer https:\/\/evil\.example is not trusted/,
    );
    const owner = { ...binding, issuer: gitlab.issuer, role: 'owner' } as const;
    expect(await refusal(test.identity.ciBindings.create(BY, 'owner', owner))).toMatch(/^role-invalid/);
    const above = { ...binding, issuer: gitlab.issuer, role: 'maintainer' } as const;
    expect(await refusal(test.identity.ciBindings.create(BY, 'developer', above))).toMatch(/^denied/);
  });
});
