import { AccessError, robotName } from '@sluice/domain/access';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { basic, BY, TestIdentity } from './testing/test-identity.ts';

describe('authentication', () => {
  let test: TestIdentity;
  const signIn = (authorization: string | undefined, address = '10.0.0.1') =>
    test.identity.authentication.authenticate(authorization, address);
  const refusal = (action: Promise<unknown>) =>
    action.then(
      () => 'accepted',
      (error: unknown) => (error instanceof AccessError ? `${error.code}: ${error.message}` : error),
    );
  const nameOf = async (authorization: string) => {
    const { principal } = await signIn(authorization);
    return principal.kind === 'anonymous' ? 'anonymous' : principal.name;
  };

  beforeAll(async () => {
    test = await TestIdentity.create();
    await test.project('team/app');
    await test.user('anna', { 'team/app': 'developer' });
  });
  afterEach(() => {
    test.ahead = 0;
  });
  afterAll(async () => test[Symbol.asyncDispose]());

  it('without a header is anonymous', async () => {
    expect((await signIn(undefined)).principal).toEqual({ kind: 'anonymous' });
  });

  it('accepts a user name and password, in full', async () => {
    expect(await nameOf(basic('anna', 'password of anna'))).toBe('anna');
    const wrong = [
      ['anna', 'password of ann'],
      ['anna', 'password of anna '],
      ['anna', ''],
      ['Anna', 'password of anna'],
      ['nobody', 'password of anna'],
    ] as const;
    for (const [index, [name, password]] of wrong.entries()) {
      const attempt = signIn(basic(name, password), `10.0.1.${index}`);
      expect(await refusal(attempt)).toBe('credentials-invalid: wrong user name or password');
    }
  });

  it('a password may hold colons and any character of Unicode', async () => {
    await test.identity.users.create(BY, { name: 'umlaut', password: 'a:b:ü€😀:' });
    expect(await nameOf(basic('umlaut', 'a:b:ü€😀:'))).toBe('umlaut');
  });

  it('a new password ends the old one at once, remembered or not', async () => {
    const user = await test.user('carl');
    await signIn(basic('carl', 'password of carl'));
    await test.identity.users.update(BY, user.id, { password: 'another password' });
    expect(await refusal(signIn(basic('carl', 'password of carl')))).toMatch(/credentials-invalid/);
    expect(await nameOf(basic('carl', 'another password'))).toBe('carl');
  });

  it('a disabled user and one that has expired are refused with the right password only', async () => {
    const user = await test.user('dora');
    await test.identity.users.update(BY, user.id, { disabled: true });
    expect(await refusal(signIn(basic('dora', 'password of dora')))).toMatch(/disabled or has expired/);
    expect(await refusal(signIn(basic('dora', 'wrong')))).toMatch(/wrong user name or password/);
  });

  it('failures are limited by user and address; a right password that was seen before still works', async () => {
    await test.user('eve');
    await signIn(basic('eve', 'password of eve'), '10.9.9.9');
    for (let index = 0; index < 3; index++) await refusal(signIn(basic('eve', `guess ${index}`), '10.9.9.9'));
    expect(await refusal(signIn(basic('eve', 'guess'), '10.9.9.9'))).toMatch(
      /^credentials-throttled: too many failed logins/,
    );
    expect(await nameOf(basic('eve', 'password of eve'))).toBe('eve');
    expect(await refusal(signIn(basic('eve', 'password of eve'), '10.9.9.9'))).toBe('accepted');
    expect(await refusal(signIn(basic('eve', 'guess'), '10.9.9.8'))).toMatch(/^credentials-invalid/);
  });

  it('a header that cannot be read is refused, not taken for anonymous', async () => {
    const unreadable = ['Basic', 'Basic !!!', 'Basic bm9jb2xvbg==', 'Digest x', 'Bearer', 'garbage'];
    for (const header of [...unreadable, `Basic ${'A'.repeat(70_000)}`]) {
      expect(await refusal(signIn(header)), header.slice(0, 30)).toMatch(/^credentials-invalid/);
    }
  });

  it('a user name that no database could hold is a wrong one', async () => {
    expect(await refusal(signIn(basic('an\u0000na', 'x')))).toMatch(/wrong user name or password/);
    expect(await refusal(signIn(basic('x'.repeat(5_000), 'x')))).toMatch(/wrong user name or password/);
  });

  describe('with a personal access token', () => {
    const issue = async (wanted: { scopes?: string[]; expiresAt?: Date } = {}) => {
      const anna = await test.principals.byName('anna');
      if (anna === null) expect.fail('no anna');
      return test.identity.accessTokens.issue(BY, anna, { name: 'laptop', ...wanted });
    };

    it('is accepted as password of any user name, and as Bearer', async () => {
      const { token } = await issue();
      expect(token).toMatch(/^slc_pat_/);
      expect(await nameOf(basic('anna', token))).toBe('anna');
      expect(await nameOf(basic('oauth2', token))).toBe('anna');
      expect(await nameOf(`Bearer ${token}`)).toBe('anna');
    });

    it('carries its scopes and its end', async () => {
      const expiresAt = new Date(Date.now() + 86_400_000);
      const { token, record } = await issue({ scopes: ['repository:team/*:pull'], expiresAt });
      expect(await signIn(basic('anna', token))).toMatchObject({
        tokenId: record.id,
        scopes: [{ kind: 'repository', pattern: 'team/*', actions: ['pull'] }],
        endsAt: expiresAt,
      });
    });

    it('ends by expiry and by revocation, and is never stored itself', async () => {
      const { token, record } = await issue();
      test.ahead = 91 * 86_400;
      expect(await refusal(signIn(`Bearer ${token}`))).toMatch(/expired on/);
      test.ahead = 0;
      await test.identity.accessTokens.revoke(BY, { name: 'anna' }, record.id);
      expect(await refusal(signIn(`Bearer ${token}`))).toMatch(/was revoked/);
      const rows = await test.database.source.query<{ text: string }[]>(
        'SELECT secret::text AS text FROM secret',
      );
      expect(rows.map(({ text }) => text).join()).not.toContain(token.slice(8, 40));
    });

    it('of a wrong checksum, of nobody, or for another purpose is refused', async () => {
      const { token } = await issue();
      expect(await refusal(signIn(`Bearer ${token.slice(0, -1)}x`))).toMatch(/checksum/);
      expect(await refusal(signIn(basic('anna', 'slc_pat_')))).toMatch(/checksum/);
    });

    it('lives a year at most and 90 days unless said', async () => {
      const { record } = await issue();
      expect((record.expiresAt?.getTime() ?? 0) / 86_400_000).toBeCloseTo(Date.now() / 86_400_000 + 90, 1);
      expect(await refusal(issue({ expiresAt: new Date(Date.now() + 400 * 86_400_000) }))).toMatch(
        /^expiry-invalid/,
      );
      expect(await refusal(issue({ expiresAt: new Date(Date.now() - 1) }))).toMatch(/^expiry-invalid/);
    });
  });

  describe('as a robot', () => {
    const create = async (name: string) => {
      const node = (await test.nodes.get({ path: 'team/app' })) ?? expect.fail('no node');
      return test.identity.robots.create(BY, 'maintainer', {
        node,
        name,
        role: 'developer',
        expiresAt: null,
      });
    };

    it('logs in as robot$<path>+<name> with its secret', async () => {
      const { robot, secret } = await create('deploy');
      expect(robot.name).toBe(robotName('team/app', 'deploy'));
      expect(secret.token).toMatch(/^slc_rob_/);
      const caller = await signIn(basic(robot.name, secret.token));
      expect(caller.principal).toEqual({ kind: 'robot', id: robot.id, name: robot.name, epoch: 1 });
    });

    it('has two live secrets for rotation, no third, and no way in without one', async () => {
      const { robot, secret } = await create('rotating');
      const second = await test.identity.robots.rotate(BY, robot.id, {});
      expect(await refusal(test.identity.robots.rotate(BY, robot.id, {}))).toMatch(/^limit-reached/);
      expect([
        await nameOf(basic(robot.name, secret.token)),
        await nameOf(basic(robot.name, second.token)),
      ]).toEqual([robot.name, robot.name]);
      await test.identity.robots.revokeSecret(BY, robot.id, secret.record.id);
      expect(await refusal(signIn(basic(robot.name, secret.token)))).toMatch(/revoked/);
      expect(await nameOf(basic(robot.name, second.token))).toBe(robot.name);
      await test.identity.robots.rotate(BY, robot.id, {});
    });

    it('a second secret is limited like the first', async () => {
      const node = (await test.nodes.get({ path: 'team/app' })) ?? expect.fail('no node');
      const scopes = ['repository:team/app/web:pull'];
      const { robot } = await test.identity.robots.create(BY, 'owner', {
        node,
        name: 'limited',
        role: 'maintainer',
        scopes,
        expiresAt: null,
      });
      expect((await test.identity.robots.rotate(BY, robot.id, {})).record.scopes).toEqual(scopes);
    });

    it('is not made with a role above its maker, nor as owner', async () => {
      const node = (await test.nodes.get({ path: 'team/app' })) ?? expect.fail('no node');
      const make = (granter: 'developer' | 'owner', role: 'maintainer' | 'owner') =>
        refusal(test.identity.robots.create(BY, granter, { node, name: 'too-much', role, expiresAt: null }));
      expect(await make('developer', 'maintainer')).toMatch(/^denied/);
      expect(await make('owner', 'owner')).toMatch(/^role-invalid/);
    });

    it('a secret of another robot cannot be revoked through it', async () => {
      const [one, other] = [await create('one'), await create('other')];
      expect(
        await refusal(test.identity.robots.revokeSecret(BY, one.robot.id, other.secret.record.id)),
      ).toMatch(/^secret-unknown/);
      expect(await nameOf(basic(other.robot.name, other.secret.token))).toBe(other.robot.name);
    });
  });

  describe('of a registry token on the API', () => {
    const fresh = (token: string) =>
      test.identity.authentication.authenticateFresh(`Bearer ${token}`, '10.0.0.1');

    it('ends within the same second that rights are taken away', async () => {
      const frank = await test.user('frank', { 'team/app': 'developer' });
      const caller = await signIn(basic('frank', 'password of frank'));
      const { token } = await test.identity.tokenEndpoint.issue(caller, ['repository:team/app/web:push']);
      expect((await fresh(token)).principal).toMatchObject({ name: 'frank' });
      const [grant] = await test.grants
        .list({
          nodeId: (await test.nodes.get({ path: 'team/app' }))?.id ?? '',
          inherited: false,
          after: null,
          limit: 500,
        })
        .then((all) => all.filter(({ principalId }) => principalId === frank.id));
      await test.grants.remove(grant?.id ?? '');
      expect(await refusal(fresh(token))).toBe('credentials-invalid: the token was revoked: log in again');
    });

    it('ends when its principal is deleted', async () => {
      const user = await test.user('gone');
      const caller = await signIn(basic('gone', 'password of gone'));
      const { token } = await test.identity.tokenEndpoint.issue(caller, []);
      await test.identity.users.delete(BY, user.id);
      expect(await refusal(fresh(token))).toMatch(/was revoked/);
    });
  });

  describe('of the first administrator', () => {
    it('is made once, with the given password or one that is shown once', async () => {
      const other = await TestIdentity.create();
      const made = await other.identity.users.ensureFirstAdmin(null);
      expect(made).toMatchObject({ name: 'admin', password: expect.stringMatching(/^[\w-]{24}$/) });
      expect(await other.identity.users.ensureFirstAdmin('another password')).toBeNull();
      const { principal } = await other.identity.authentication.login('admin', made?.password ?? '', '::1');
      expect(principal).toMatchObject({ kind: 'user', isAdmin: true });
      expect(other.audit.events.map(({ action, actor }) => [action, actor])).toEqual([
        ['user.create', 'system'],
      ]);
      await other[Symbol.asyncDispose]();
    });

    it('a configured password is not echoed, and a short one is refused', async () => {
      const other = await TestIdentity.create();
      expect(await refusal(other.identity.users.ensureFirstAdmin('short'))).toMatch(/^password-invalid/);
      expect(await other.identity.users.ensureFirstAdmin('configured one')).toBeNull();
      const { principal } = await other.identity.authentication.login('admin', 'configured one', '::1');
      expect(principal).toMatchObject({ name: 'admin' });
      await other[Symbol.asyncDispose]();
    });
  });

  it('every issued secret and every change of rights is audited, without the secret', async () => {
    test.audit.events.length = 0;
    const node = (await test.nodes.get({ path: 'team/app' })) ?? expect.fail('no node');
    const { robot, secret } = await test.identity.robots.create(BY, 'owner', {
      node,
      name: 'audited',
      role: 'guest',
      expiresAt: null,
    });
    const second = await test.identity.robots.rotate(BY, robot.id, {});
    await test.identity.robots.revokeSecret(BY, robot.id, secret.record.id);
    await test.identity.robots.update(BY, robot.id, { disabled: true });
    await test.identity.robots.delete(BY, robot.id);
    expect(test.audit.events.map(({ action }) => action)).toEqual([
      'robot.create',
      'robot.secret.create',
      'robot.secret.create',
      'robot.secret.revoke',
      'robot.update',
      'robot.delete',
    ]);
    const text = JSON.stringify(test.audit.events);
    expect(text).toContain(robot.name);
    expect(text).not.toContain(secret.token);
    expect(text).not.toContain(second.token);
  });
});
