import { createHmac, generateKeyPairSync, createPublicKey } from 'node:crypto';
import { exportJWK, SignJWT } from 'jose';
import { bearer } from '../../lib/oci-push.ts';
import { assert, type Checklist } from '../checklist.ts';
import { basic } from '../platform.ts';
import type { Arena, Person } from './arena.ts';

const REPOSITORY = 'hostile/app/rights';

/** Attempts to win rights that nobody gave. */
export async function attackRights(arena: Arena, checklist: Checklist): Promise<void> {
  const { platform, gitlab } = arena;
  const image = await arena.image();
  await arena.push(REPOSITORY, image, 'v1');

  const register = async (token: string, path = `/v2/${REPOSITORY}/manifests/v1`): Promise<number> =>
    (await arena.request('GET', path, `Bearer ${token}`)).status;
  const everywhere = async (token: string, what: string): Promise<void> => {
    for (const path of [
      `/v2/${REPOSITORY}/manifests/v1`,
      '/v2/',
      '/v2/_catalog',
      '/api/v1/me',
      '/api/v1/tokens',
      `/service/token?scope=repository:${REPOSITORY}:pull`,
    ]) {
      const answer = await arena.request('GET', path, `Bearer ${token}`);
      assert(answer.status === 401, `${what} on ${path}: ${answer.status} ${answer.text.slice(0, 120)}`);
    }
  };

  await checklist.check('registry tokens that were changed, re-signed, or signed by nobody', async () => {
    const good = (await bearer(platform.url, arena.as('reporter'), `repository:${REPOSITORY}:pull`)).slice(7);
    const [head = '', body = '', signature = ''] = good.split('.');
    const read = (part: string): Record<string, unknown> =>
      JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
    const write = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const claims = read(body);
    const more = {
      ...claims,
      access: [{ type: 'repository', name: REPOSITORY, actions: ['pull', 'push', 'delete'] }],
      sluice: { ...(claims['sluice'] as object), admin: true },
    };
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = await exportJWK(createPublicKey(privateKey));
    const kid = read(head)['kid'];
    const hs = (key: string | Buffer): string => {
      const text = `${write({ alg: 'HS256', typ: 'JWT', kid })}.${write(more)}`;
      return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
    };
    const signed = async (header: Record<string, unknown>): Promise<string> =>
      new SignJWT(more).setProtectedHeader({ alg: 'ES256', ...header }).sign(privateKey);
    const tokens: [string, string][] = [
      ['other claims', `${head}.${write(more)}.${signature}`],
      ['no signature', `${head}.${body}.`],
      ['alg none', `${write({ alg: 'none', typ: 'JWT' })}.${write(more)}.`],
      ['alg None with kid', `${write({ alg: 'None', kid })}.${write(more)}.`],
      ['HMAC with the kid', hs(String(kid))],
      ['HMAC with nothing', hs('')],
      ['HMAC with a public key', hs(publicKey.export({ type: 'spki', format: 'pem' }) as string)],
      ['a key of its own in jwk', await signed({ kid, jwk })],
      ['a key of its own behind jku', await signed({ kid, jku: `${gitlab.issuer}/oauth/discovery/keys` })],
      ['a kid that is a path', await signed({ kid: '../../../../dev/null' })],
      ['a kid that is SQL', await signed({ kid: `' OR 1=1 --` })],
      ['a kid of every object', await signed({ kid: '__proto__' })],
      ['a changed header', `${write({ ...read(head), typ: 'x' })}.${body}.${signature}`],
      ['a signature of zeros', `${head}.${body}.${Buffer.alloc(64).toString('base64url')}`],
      ['more parts', `${good}.x.y`],
      ['nothing', '..'],
      ['a long one', 'x'.repeat(20_000)],
      ['control characters', 'a\tb'],
    ];
    for (const [what, token] of tokens) await everywhere(token, what);
    assert((await register(good)) !== 401, 'the good one is refused');
    return `${tokens.length} tokens on 6 endpoints`;
  });

  await checklist.check('id_tokens of strangers, for others, old, changed, replayed, of forks', async () => {
    const user = gitlab.user('dev');
    const project = gitlab.project('acme/app');
    const other = gitlab.project('acme/other');
    await platform.api('POST', '/ci-bindings', {
      node: 'hostile/app',
      gitlabProjectId: String(project.id),
      gitlabProjectPath: project.path,
      role: 'developer',
      conditions: { refProtected: true },
    });
    const job = gitlab.branchJob(project, user);
    const mint = (options: object = {}, from = job): Promise<string> =>
      gitlab.idToken(from, { audience: platform.url, ...options });
    const login = async (
      token: string,
      actions = 'pull,push',
    ): Promise<{ status: number; access: string; text: string }> => {
      const answer = await arena.request(
        'GET',
        `/service/token?scope=repository:${REPOSITORY}:${actions}`,
        basic('gitlab-ci', token),
      );
      const body = answer.status === 200 ? (JSON.parse(answer.text) as { scope: string }) : { scope: '' };
      return { status: answer.status, access: body.scope, text: answer.text };
    };
    const control = await login(await mint());
    assert(control.access.includes('push'), `the control may not push: ${control.text}`);
    const now = Date.now();
    const bad: [string, Promise<string>][] = [
      ['for another audience', mint({ audience: 'https://elsewhere.example' })],
      ['for two audiences', mint({ audience: [platform.url, 'https://elsewhere.example'] })],
      ['for a prefix', mint({ audience: `${platform.url}/` })],
      ['expired', mint({ now: new Date(now - 7_200_000) })],
      ['of the future', mint({ now: new Date(now + 7_200_000) })],
      ['of another issuer', mint({ claims: { iss: 'https://gitlab.com' } })],
      ['of an issuer that is a list', mint({ claims: { iss: [gitlab.issuer] } })],
      ['of an issuer with a slash', mint({ claims: { iss: `${gitlab.issuer}/` } })],
      ['of a project that is not bound', mint({}, gitlab.branchJob(other, user))],
      ['with a number as project', mint({ claims: { project_id: project.id } })],
      ['with a project and more', mint({ claims: { project_id: `${project.id} ` } })],
      ['with a leading zero', mint({ claims: { project_id: `0${project.id}` } })],
      ['without jti', mint({ claims: { jti: undefined } })],
      ['without exp', mint({ claims: { exp: undefined } })],
      ['with exp as text', mint({ claims: { exp: '99999999999' } })],
      ['with ref_protected as a boolean', mint({ claims: { ref_protected: true } })],
      ['of a branch that is not protected', mint({}, gitlab.branchJob(project, user, 'feature'))],
      ['with an unknown kid', mint({ kid: 'nobody' })],
    ];
    for (const [what, minted] of bad) {
      const answer = await login(await minted);
      assert(answer.status === 401, `${what}: ${answer.status} ${answer.text.slice(0, 160)}`);
    }
    const fork = await login(await mint({ claims: { job_project_id: String(other.id) } }));
    assert(!fork.access.includes('push'), `a fork may push: ${fork.access}`);
    const unclear = await login(
      await mint({ claims: { job_project_id: undefined, pipeline_source: 'merge_request_event' } }),
    );
    assert(!unclear.access.includes('push'), `a pipeline that may be of a fork may push: ${unclear.access}`);
    const jti = 'the-same-for-two';
    assert((await login(await mint({ claims: { jti } }))).status === 200, 'the first of two');
    assert(
      (await login(await mint({ claims: { jti, job_id: '77' } }))).status === 401,
      'the same jti with another token',
    );
    const once = await mint();
    const exchange = (
      token: string,
      scope = `repository:${REPOSITORY}:pull,push,delete repository:foreign/app/x:pull,push`,
    ): ReturnType<Arena['request']> =>
      arena.request('POST', '/api/v1/token', null, {
        body: {
          grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
          subject_token: token,
          subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
          scope,
        },
      });
    const traded = await exchange(once);
    assert(traded.status === 200, traded.text);
    const { scope } = JSON.parse(traded.text) as { scope: string };
    assert(scope === `repository:${REPOSITORY}:pull,push`, `it got ${scope}`);
    assert((await exchange(once)).status === 400, 'exchanged twice');
    const raced = await mint();
    const racers = await Promise.all(Array.from({ length: 20 }, () => exchange(raced)));
    assert(
      racers.filter(({ status }) => status === 200).length === 1,
      `${racers.filter(({ status }) => status === 200).length} of 20 at once were exchanged`,
    );
    const many = Array.from({ length: 65 }, (_, index) => `repository:${REPOSITORY}${index}:pull`).join(' ');
    assert((await exchange(await mint(), many)).status === 400, '65 scopes');
    return `${bad.length + 8} tokens`;
  });

  await checklist.check('what each role may not do by the API', async () => {
    const key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({
      type: 'spki',
      format: 'pem',
    });
    const off = (name: string): string =>
      `apiVersion: sluice.dev/v1\nkind: Policy\nmetadata: {name: ${name}}\nspec: {mode: "off", rules: [{name: s, kind: scan}]}`;
    const id = async (path: string): Promise<string> =>
      (await platform.api<{ items: { id: string }[] }>('GET', path)).body.items[0]?.id ?? '';
    const installation = (
      await platform.api<{ items: { id: string; node: string | null }[] }>('GET', '/policies')
    ).body.items.find(({ node }) => node === null)?.id;
    await platform.api('PUT', '/policies', { node: 'hostile', document: off('of-the-group') });
    const group = (
      await platform.api<{ items: { id: string; node: string | null }[] }>('GET', '/policies?node=hostile')
    ).body.items.find(({ node }) => node === 'hostile')?.id;
    const ownerGrant = (
      await platform.api<{ items: { id: string; role: string }[] }>('GET', '/grants?node=hostile/app')
    ).body.items.find(({ role }) => role === 'owner')?.id;
    const admin = await id('/users');
    const robot = await platform.api<{ id: string }>('POST', '/robots', {
      node: 'hostile',
      name: 'above',
      role: 'maintainer',
    });
    const job = await id('/jobs');
    const people: Person[] = ['stranger', 'reporter', 'developer', 'maintainer', 'owner'];
    /** The least role that may; `admin` for nobody of the project. */
    const attempts: [string, Person | 'admin', string, object?][] = [
      ['PUT /policies', 'admin', 'the default', { document: off('default') }],
      ['PUT /policies', 'admin', 'the group', { node: 'hostile', document: off('of-the-group') }],
      [`DELETE /policies/${group}`, 'admin', 'the group'],
      [`DELETE /policies/${installation}`, 'admin', 'the default'],
      ['PUT /policies', 'maintainer', 'the project', { node: 'hostile/app', document: off('own') }],
      ['POST /trusted-keys', 'owner', 'the project', { node: 'hostile/app', name: 'own', pem: key }],
      ['POST /trusted-keys', 'admin', 'the group', { node: 'hostile', name: 'own', pem: key }],
      ['POST /grants', 'owner', 'an owner', { node: 'hostile/app', principal: 'stranger', role: 'owner' }],
      ['POST /grants', 'admin', 'the group', { node: 'hostile', principal: 'stranger', role: 'guest' }],
      [
        'POST /grants',
        'admin',
        'a robot of the group',
        { node: 'hostile', principal: 'robot$hostile+above', role: 'maintainer' },
      ],
      [`DELETE /grants/${ownerGrant}`, 'admin', 'the owner (kept for the other attempts)'],
      ['POST /robots', 'admin', 'an owner', { node: 'hostile/app', name: 'king', role: 'owner' }],
      ['POST /robots', 'admin', 'the group', { node: 'hostile', name: 'r', role: 'guest' }],
      [`POST /robots/${robot.body.id}/secrets`, 'admin', 'a robot of the group', {}],
      [
        'POST /ci-bindings',
        'admin',
        'an owner',
        { node: 'hostile/app', gitlabProjectId: '9', gitlabProjectPath: 'a/b', role: 'owner' },
      ],
      [
        'POST /ci-bindings',
        'admin',
        'another issuer',
        {
          node: 'hostile/app',
          issuer: 'http://127.0.0.1:1',
          gitlabProjectId: '9',
          gitlabProjectPath: 'a/b',
          role: 'guest',
        },
      ],
      ['POST /projects', 'admin', 'a new group', { path: 'mine/app' }],
      ['POST /projects', 'admin', 'the group', { path: 'hostile/mine' }],
      ['POST /users', 'admin', 'an admin', { name: 'evil', password: 'a long password', isAdmin: true }],
      [`PATCH /users/${admin}`, 'admin', 'the admin', { password: 'a long password' }],
      [`DELETE /users/${admin}`, 'admin', 'the admin'],
      [`POST /jobs/${job}/cancellation`, 'admin', 'a job', {}],
      ['GET /jobs', 'admin', 'the jobs'],
      ['GET /audit-events', 'admin', 'the audit log'],
      ['GET /denials', 'admin', 'all denials'],
      ['GET /users', 'admin', 'the users'],
    ];
    let count = 0;
    for (const [line, least, what, body] of attempts) {
      const [method = '', path = ''] = line.split(' ');
      for (const person of people) {
        if (least !== 'admin' && people.indexOf(person) >= people.indexOf(least)) continue;
        if (path.startsWith('/grants/') && person === 'owner') continue;
        const answer = await arena.request(method, `/api/v1${path}`, arena.as(person), {
          headers: { 'if-match': '*' },
          ...(body === undefined ? {} : { body }),
        });
        assert(
          answer.status >= 400 && answer.status < 500,
          `${person}: ${line} (${what}): ${answer.status} ${answer.text.slice(0, 200)}`,
        );
        count += 1;
      }
    }
    return `${count} attempts`;
  });

  await checklist.check('bodies that reach for what they may not name', async () => {
    const owner = arena.as('owner');
    for (const body of [
      '{"node":"hostile/app","principal":"stranger","role":"guest","__proto__":{"isAdmin":true}}',
      '{"node":"hostile/app","principal":"stranger","role":"guest","constructor":{"prototype":{"isAdmin":true}}}',
      '{"node":"hostile/app","principal":"stranger","role":"__proto__"}',
      '{"node":"hostile/app","principal":"stranger","role":["owner"]}',
      '{"node":{"id":"x"},"principal":"stranger","role":"guest"}',
      '{"node":"hostile/app","principal":"stranger","role":"guest","source":"gitlab"}',
      '{"node":"hostile/app","principal":"stranger\\u0000","role":"guest"}',
      '{"node":"hostile/app\\u0000","principal":"stranger","role":"guest"}',
      '[]',
      'null',
      '"x"',
      '1',
      '{',
      '\u0000',
    ]) {
      const answer = await arena.request('POST', '/api/v1/grants', owner, {
        headers: { 'content-type': 'application/json' },
        body,
      });
      assert(
        answer.status >= 400 && answer.status < 500,
        `${body}: ${answer.status} ${answer.text.slice(0, 200)}`,
      );
    }
    const me = await arena.request('GET', '/api/v1/me', arena.as('stranger'));
    assert(
      (JSON.parse(me.text) as { isAdmin: boolean }).isAdmin === false,
      'the stranger is an administrator',
    );
    for (const path of [
      'hostile/APP',
      'hostile//app',
      'hostile/app/',
      '/hostile/app',
      'hostile/app/../other',
      'hostile/ａpp',
      'hostile/app\u200b',
      'hostile/app%2fx',
      'v2/x',
      'hostile/app/under',
    ]) {
      const answer = await arena.request('POST', '/api/v1/projects', arena.as('admin'), { body: { path } });
      assert(
        answer.status >= 400 && answer.status < 500,
        `${path}: ${answer.status} ${answer.text.slice(0, 200)}`,
      );
    }
  });

  await checklist.check('who lost a right is out: tokens, secrets, refresh tokens, passwords', async () => {
    const created = await platform.api<{ id: string }>('POST', '/users', {
      name: 'leaver',
      password: 'the password of the leaver',
    });
    const grant = async (): Promise<string> =>
      (
        await platform.api<{ id: string }>('POST', '/grants', {
          node: 'hostile/app',
          principal: 'leaver',
          role: 'developer',
        })
      ).body.id;
    const password = basic('leaver', 'the password of the leaver');
    const scope = `repository:${REPOSITORY}:pull,push`;
    const upload = async (authorization: string): Promise<number> =>
      (await arena.request('POST', `/v2/${REPOSITORY}/blobs/uploads/`, authorization)).status;
    const offline = async (): Promise<string> => {
      const form = new URLSearchParams({
        grant_type: 'password',
        username: 'leaver',
        password: 'the password of the leaver',
        access_type: 'offline',
        client_id: 'x',
        scope,
      });
      const answer = await arena.request('POST', '/service/token', null, {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: form.toString(),
      });
      return (JSON.parse(answer.text) as { refresh_token?: string }).refresh_token ?? '';
    };
    const refresh = async (token: string): Promise<{ status: number; text: string }> =>
      arena.request('POST', '/service/token', null, {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: token, scope }).toString(),
      });
    let grantId = await grant();
    const ways: [string, () => Promise<unknown>, () => Promise<unknown>][] = [
      [
        'the grant is removed',
        () => platform.api('DELETE', `/grants/${grantId}`),
        async () => (grantId = await grant()),
      ],
      [
        'the grant becomes less',
        () => platform.api('POST', '/grants', { node: 'hostile/app', principal: 'leaver', role: 'reporter' }),
        grant,
      ],
      [
        'the user is disabled',
        () =>
          platform.api(
            'PATCH',
            `/users/${created.body.id}`,
            { disabled: true },
            { headers: { 'if-match': '*' } },
          ),
        () =>
          platform.api(
            'PATCH',
            `/users/${created.body.id}`,
            { disabled: false },
            { headers: { 'if-match': '*' } },
          ),
      ],
    ];
    for (const [what, take, giveBack] of ways) {
      const token = await bearer(platform.url, password, scope);
      const secret = (await arena.request('POST', '/api/v1/tokens', password, { body: { name: what } })).text;
      const pat = basic('leaver', (JSON.parse(secret) as { secret: string }).secret);
      const refreshToken = await offline();
      assert(
        (await upload(token)) === 202 && (await upload(pat)) === 202,
        `${what}: the control may not push`,
      );
      await take();
      for (const [name, authorization] of [
        ['token', token],
        ['secret', pat],
        ['password', password],
      ] as const) {
        const status = await upload(authorization);
        assert([401, 403, 404].includes(status), `${what}: the ${name} still pushes (${status})`);
      }
      const again = await refresh(refreshToken);
      assert(
        again.status === 401 || !(JSON.parse(again.text) as { scope: string }).scope.includes('push'),
        `${what}: the refresh token still gives ${again.text.slice(0, 100)}`,
      );
      await giveBack();
    }
    const refreshToken = await offline();
    assert(
      (await arena.request('GET', '/api/v1/me', basic('leaver', refreshToken))).status === 401,
      'a refresh token logs in',
    );
    await platform.api(
      'PATCH',
      `/users/${created.body.id}`,
      { password: 'another password of it' },
      { headers: { 'if-match': '*' } },
    );
    assert((await refresh(refreshToken)).status === 401, 'a refresh token outlives the password');
    assert((await upload(password)) === 401, 'the old password is still remembered');
    return `${ways.length + 1} ways`;
  });

  await checklist.check('refresh tokens beyond the limit do not lock their user out', async () => {
    await platform.api('POST', '/users', { name: 'often', password: 'the password of often' });
    const form = new URLSearchParams({
      grant_type: 'password',
      username: 'often',
      password: 'the password of often',
      access_type: 'offline',
      client_id: 'x',
    }).toString();
    for (let round = 0; round < 103; round += 1) {
      const answer = await arena.request('POST', '/service/token', null, {
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: form,
      });
      assert(answer.status === 200, `login ${round + 1}: ${answer.status} ${answer.text.slice(0, 160)}`);
    }
  });

  await checklist.check('blobs of a project that may not be seen, by mounting them', async () => {
    const { digest } = await arena.blob('foreign/app/secret', 'a secret of theirs');
    for (const query of [
      `mount=${digest}&from=foreign/app/secret`,
      `mount=${digest}`,
      `mount=${digest}&from=nowhere/at/all`,
    ]) {
      for (const person of ['developer', 'owner'] as const) {
        const token = await bearer(
          platform.url,
          arena.as(person),
          `repository:${REPOSITORY}:pull,push`,
          'repository:foreign/app/secret:pull',
        );
        for (const authorization of [arena.as(person), token]) {
          const answer = await arena.request(
            'POST',
            `/v2/${REPOSITORY}/blobs/uploads/?${query}`,
            authorization,
          );
          assert(answer.status === 202, `${person} ${query}: ${answer.status}`);
          assert(
            (await arena.request('HEAD', `/v2/${REPOSITORY}/blobs/${digest}`, authorization)).status === 404,
            `${person} ${query}: it is there`,
          );
        }
      }
    }
  });

  await checklist.check('an upload of another repository, under a path that one may push to', async () => {
    const begun = await arena.request('POST', '/v2/foreign/app/theirs/blobs/uploads/', arena.as('admin'));
    const theirs = begun.headers.get('location') ?? '';
    await arena.request('PATCH', theirs, arena.as('admin'), { body: 'the beginning of a secret' });
    const session = theirs.split('/').at(-1);
    const digest = `sha256:${'a'.repeat(64)}`;
    for (const path of [theirs, `/v2/${REPOSITORY}/blobs/uploads/${session}`]) {
      for (const [method, query] of [
        ['GET', ''],
        ['PATCH', ''],
        ['PUT', `?digest=${digest}`],
        ['DELETE', ''],
      ] as const) {
        const body = method === 'PATCH' ? { body: 'x' } : {};
        const answer = await arena.request(method, `${path}${query}`, arena.as('developer'), body);
        assert(answer.status === 404, `${method} ${path}: ${answer.status} ${answer.text.slice(0, 160)}`);
      }
    }
    const range = (await arena.request('GET', theirs, arena.as('admin'))).headers.get('range');
    assert(range === '0-24', `theirs has the range ${range}`);
  });

  await checklist.check('a limited secret, wherever its holder may do more', async () => {
    const { text } = await arena.request('POST', '/api/v1/tokens', arena.as('owner'), {
      body: { name: 'narrow', scopes: [`repository:${REPOSITORY}:pull`] },
    });
    const { secret } = JSON.parse(text) as { secret: string };
    const narrow = basic('owner', secret);
    const wide = await bearer(
      platform.url,
      narrow,
      `repository:${REPOSITORY}:*`,
      'repository:hostile/app/other:*',
    );
    const pending = await arena.blob(REPOSITORY, `{"pending":"${Date.now()}"}`);
    assert(pending.size > 0, 'a blob');
    for (const authorization of [narrow, wide, `Bearer ${secret}`]) {
      for (const [method, path, body] of [
        ['POST', `/v2/${REPOSITORY}/blobs/uploads/`],
        ['DELETE', `/v2/${REPOSITORY}/manifests/v1`],
        ['PUT', `/v2/${REPOSITORY}/manifests/v1`],
        ['GET', '/v2/hostile/app/other/tags/list'],
        ['GET', `/v2/${REPOSITORY}/blobs/${pending.digest}`],
        ['POST', '/api/v1/tokens', { name: 'wider' }],
        ['PUT', '/api/v1/me/password', { currentPassword: 'x', newPassword: 'a long password' }],
        ['POST', '/api/v1/grants', { node: 'hostile/app', principal: 'stranger', role: 'guest' }],
        ['POST', '/api/v1/robots', { node: 'hostile/app', name: 'wider', role: 'guest' }],
        ['PUT', '/api/v1/policies', { node: 'hostile/app', document: 'x' }],
        ['GET', '/api/v1/grants?node=hostile/app'],
        ['GET', '/api/v1/robots?node=hostile/app'],
        ['GET', '/api/v1/tokens'],
      ] as const) {
        const answer = await arena.request(method, path, authorization, body === undefined ? {} : { body });
        assert(
          answer.status >= 400 && answer.status < 500,
          `${method} ${path}: ${answer.status} ${answer.text.slice(0, 160)}`,
        );
      }
    }
  });
}
