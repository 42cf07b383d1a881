import {
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto';
import { type Caller, formatAccessScope, parseAccessScope } from '@sluice/domain/access';
import fc from 'fast-check';
import { decodeJwt, decodeProtectedHeader, SignJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { RegistryTokens, TokenKeys } from './registry-tokens.ts';

const SETTINGS = { issuer: 'https://sluice.example', service: 'sluice.example' };

class OneKey extends TokenKeys {
  readonly kid = 'key-1';
  readonly privateKey: KeyObject = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

  async signing() {
    return this;
  }

  async verifying(kid: string): Promise<KeyObject | null> {
    return kid === this.kid ? createPublicKey(this.privateKey) : null;
  }
}

const user: Caller = {
  principal: { kind: 'user', id: 'u1', name: 'anna', epoch: 3, isAdmin: false },
  access: null,
  tokenId: null,
};
const access = [{ repository: 'team/app', actions: ['pull', 'push'] }] as const;

function setUp() {
  const keys = new OneKey();
  const clock = { now: new Date('2026-11-21T12:00:00Z') };
  const tokens = new RegistryTokens(keys, SETTINGS, () => clock.now.getTime());
  const tick = (seconds: number) => {
    clock.now = new Date(clock.now.getTime() + seconds * 1_000);
  };
  return { keys, clock, tokens, tick };
}

describe('a registry token', () => {
  it('has the claims of the token specification and lives five minutes', async () => {
    const { tokens, clock } = setUp();
    const { token, expiresInSeconds, issuedAt } = await tokens.issue(user, access, null);
    const at = clock.now.getTime() / 1_000;
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'ES256', typ: 'JWT', kid: 'key-1' });
    expect(decodeJwt(token)).toMatchObject({
      iss: SETTINGS.issuer,
      aud: SETTINGS.service,
      sub: 'anna',
      iat: at,
      nbf: at,
      exp: at + 300,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      access: [{ type: 'repository', name: 'team/app', actions: ['pull', 'push'] }],
    });
    expect({ expiresInSeconds, issuedAt }).toEqual({ expiresInSeconds: 300, issuedAt: clock.now });
  });

  it('ends when the rights in it end, and never claims less than 60 seconds', async () => {
    const { tokens, clock } = setUp();
    const in90 = await tokens.issue(user, access, new Date(clock.now.getTime() + 90_000));
    const in10 = await tokens.issue(user, access, new Date(clock.now.getTime() + 10_000));
    expect([in90.expiresInSeconds, in10.expiresInSeconds]).toEqual([90, 60]);
    expect(decodeJwt(in10.token).exp).toBe(clock.now.getTime() / 1_000 + 10);
  });

  it('gives its caller back: principal, epoch, access, and scopes that keep it to what it names', async () => {
    const { tokens } = setUp();
    const { token } = await tokens.issue(user, access, null);
    expect(await tokens.verify(token)).toEqual({
      principal: user.principal,
      access,
      tokenId: decodeJwt(token).jti,
      scopes: [{ kind: 'repository', pattern: 'team/app', actions: ['pull', 'push'] }],
      limits: [],
    });
  });

  it('keeps which repositories it names for their visibility alone', async () => {
    const { tokens } = setUp();
    const named = [...access, { repository: 'open/app', actions: ['pull'], byVisibility: true }] as const;
    const { token } = await tokens.issue(user, named, null);
    expect((await tokens.verify(token)).access).toEqual(named);
  });

  it('keeps what the secret behind it is limited to; of too many scopes those that concern its repositories', async () => {
    const { tokens } = setUp();
    const of = async (texts: readonly string[]) => {
      const { token } = await tokens.issue({ ...user, scopes: texts.map(parseAccessScope) }, access, null);
      expect(token.length).toBeLessThan(12_288);
      return (await tokens.verify(token)).secretScopes?.map(formatAccessScope);
    };
    expect(await of(['*'])).toBeUndefined();
    expect(await of([])).toEqual([]);
    expect(await of(['api:read', 'repository:other/*:pull'])).toEqual([
      'api:read',
      'repository:other/*:pull',
    ]);
    const many = Array.from({ length: 49 }, (_, index) => `repository:x${index}/${'y'.repeat(240)}:pull`);
    expect(await of([...many, 'repository:team/*:push'])).toEqual(['repository:team/*:push']);
  });

  it('keeps the provenance and the bindings of a CI job, and why it has less', async () => {
    const { tokens } = setUp();
    const provenance = {
      issuer: 'https://gitlab.example',
      projectId: '42',
      projectPath: 'acme/app',
      ref: 'main',
      refType: 'branch',
      refProtected: true,
      pipelineId: '1',
      pipelineSource: 'push',
      jobId: '2',
      sha: 'abc',
      userId: '5',
      userLogin: 'anna',
    } as const;
    const job: Caller = {
      principal: { kind: 'workload', id: 'w1', name: 'gitlab:x#42', epoch: 1, provenance },
      access: null,
      tokenId: 'j',
      grants: [{ principalId: 'w1', nodeId: 'n1', role: 'developer', source: 'ci:42', expiresAt: null }],
      limits: ['claim ref: expected main, given x'],
    };
    const back = await tokens.verify((await tokens.issue(job, access, null)).token);
    expect(back).toMatchObject({ principal: job.principal, grants: job.grants, limits: job.limits });
  });

  it('stays small enough for a header: reasons are cut, too many repositories are refused', async () => {
    const { tokens } = setUp();
    const limits = Array.from({ length: 100 }, () => 'claim ref: expected '.padEnd(1_000, 'x'));
    const { token } = await tokens.issue({ ...user, limits }, access, null);
    expect(token.length).toBeLessThan(4_000);
    expect((await tokens.verify(token)).limits?.[0]).toMatch(/^claim ref: expected x+$/);
    const many = Array.from({ length: 64 }, (_, index) => ({
      repository: `${index}`.padEnd(255, 'x'),
      actions: ['pull'] as const,
    }));
    await expect(tokens.issue(user, many, null)).rejects.toMatchObject({ code: 'scope-invalid' });
  });

  it('of anonymous has an empty subject', async () => {
    const { tokens } = setUp();
    const anonymous: Caller = { principal: { kind: 'anonymous' }, access: null, tokenId: null };
    const { token } = await tokens.issue(anonymous, [], null);
    expect(decodeJwt(token).sub).toBe('');
    expect((await tokens.verify(token)).principal).toEqual({ kind: 'anonymous' });
  });

  it('is verified once and remembered, but not beyond its end', async () => {
    const { keys, tokens, tick } = setUp();
    const { token } = await tokens.issue(user, access, null);
    await tokens.verify(token);
    let asked = 0;
    keys.verifying = async () => {
      asked++;
      return null;
    };
    tick(299);
    expect((await tokens.verify(token)).tokenId).toBeTruthy();
    expect(asked).toBe(0);
    tick(1);
    await expect(tokens.verify(token)).rejects.toThrow(/not valid/);
    expect(asked).toBe(1);
  });

  it('is remembered while there is room: many long ones push out each other', async () => {
    const { tokens } = setUp();
    const long = Array.from({ length: 30 }, (_, index) => ({
      repository: `team/app/${'x'.repeat(230)}${index}`,
      actions: ['pull'] as const,
    }));
    const remembered: string[] = [];
    for (let count = 0; count < 1_200; count += 1) {
      const { token } = await tokens.issue(user, long, null);
      await tokens.verify(token);
      remembered.push(token);
    }
    const known = remembered.filter((token) => tokens.known(token) !== null);
    expect(tokens.known(remembered.at(-1) ?? '')).not.toBeNull();
    expect(known.join('').length).toBeLessThan(12 * 1_048_576);
  });

  it('is refused once it has expired (10 seconds are left to clocks)', async () => {
    const { tokens, tick } = setUp();
    const { token } = await tokens.issue(user, access, null);
    tick(309);
    expect(await tokens.verify(token)).toBeTruthy();
    tick(1);
    await expect(tokens.verify(token)).rejects.toThrow(/"exp" claim/);
  });
});

describe('a hostile token', () => {
  const claims = { access: [], sluice: { kind: 'user', id: 'u1', epoch: 1, admin: true } };

  async function minted(
    changes: (jwt: SignJWT, keys: OneKey, now: number) => void,
    key?: KeyObject,
    header = {},
  ) {
    const { keys, tokens, clock } = setUp();
    const now = clock.now.getTime() / 1_000;
    const jwt = new SignJWT(claims)
      .setProtectedHeader({ alg: 'ES256', kid: keys.kid, ...header })
      .setIssuer(SETTINGS.issuer)
      .setAudience(SETTINGS.service)
      .setSubject('admin')
      .setIssuedAt(now)
      .setExpirationTime(now + 300)
      .setJti('x');
    changes(jwt, keys, now);
    return tokens.verify(await jwt.sign(key ?? keys.privateKey));
  }

  it('a genuine one by the same hand is accepted, so the refusals below mean something', async () => {
    expect((await minted(() => undefined)).principal).toMatchObject({ name: 'admin' });
  });

  const otherKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const rsaKey = generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey;
  it.each<[string, () => Promise<unknown>]>([
    ['signed by another key', () => minted(() => undefined, otherKey)],
    ['with an unknown kid', () => minted(() => undefined, undefined, { kid: 'key-2' })],
    ['without a kid', () => minted(() => undefined, undefined, { kid: undefined })],
    ['with another algorithm', () => minted(() => undefined, rsaKey, { alg: 'RS256' })],
    ['for another audience', () => minted((jwt) => jwt.setAudience('other.example'))],
    ['of another issuer', () => minted((jwt) => jwt.setIssuer('https://evil.example'))],
    ['that is not valid yet', () => minted((jwt, _, now) => jwt.setNotBefore(now + 60))],
    ['that has expired', () => minted((jwt, _, now) => jwt.setExpirationTime(now - 60))],
  ])('%s is refused', async (_, attempt) => {
    await expect(attempt()).rejects.toMatchObject({ code: 'credentials-invalid' });
  });

  it('without an end, or without the claims of a principal, is refused', async () => {
    const { keys, tokens, clock } = setUp();
    const now = clock.now.getTime() / 1_000;
    const base = (payload: Record<string, unknown>) =>
      new SignJWT({
        iss: SETTINGS.issuer,
        aud: SETTINGS.service,
        iat: now,
        jti: 'x',
        sub: 'admin',
        ...payload,
      })
        .setProtectedHeader({ alg: 'ES256', kid: keys.kid })
        .sign(keys.privateKey);
    for (const payload of [
      { ...claims },
      { exp: now + 60, access: [] },
      { exp: now + 60, sluice: claims.sluice },
      { exp: now + 60, access: [], sluice: { kind: 'user' } },
      { exp: now + 60, access: [], sluice: { kind: 'workload', id: 'w', epoch: 1 } },
    ]) {
      await expect(tokens.verify(await base(payload))).rejects.toMatchObject({ code: 'credentials-invalid' });
    }
  });

  it('with alg none, or HS256 with our public key as secret, is refused', async () => {
    const { keys, tokens, clock } = setUp();
    const now = clock.now.getTime() / 1_000;
    const payload = {
      ...claims,
      iss: SETTINGS.issuer,
      aud: SETTINGS.service,
      sub: 'admin',
      iat: now,
      exp: now + 300,
      jti: 'x',
    };
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const unsigned = `${encode({ alg: 'none', kid: keys.kid })}.${encode(payload)}.`;
    const input = `${encode({ alg: 'HS256', kid: keys.kid })}.${encode(payload)}`;
    const pem = createPublicKey(keys.privateKey).export({ type: 'spki', format: 'pem' });
    const hmac = `${input}.${createHmac('sha256', pem).update(input).digest('base64url')}`;
    for (const token of [unsigned, hmac]) {
      await expect(tokens.verify(token)).rejects.toThrow(/algorithm ES256 expected/);
    }
  });

  it('with a changed payload or signature is refused', async () => {
    const { tokens } = setUp();
    const { token } = await tokens.issue(user, [], null);
    const [header = '', payload = '', signature = ''] = token.split('.');
    const changed = { ...decodeJwt(token), access: [{ type: 'repository', name: 'x', actions: ['pull'] }] };
    for (const hostile of [
      [header, Buffer.from(JSON.stringify(changed)).toString('base64url'), signature],
      [header, payload, `${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`],
      [header, payload, ''],
      [header, payload],
      [header, payload, signature, signature],
    ]) {
      await expect(tokens.verify(hostile.join('.'))).rejects.toMatchObject({ code: 'credentials-invalid' });
    }
  });

  it('that is huge is refused before it is parsed', async () => {
    const { tokens } = setUp();
    await expect(tokens.verify(`e${'x'.repeat(20_000)}`)).rejects.toThrow(/too long/);
  });

  it('that is garbage ends in a refusal and nothing else', async () => {
    const { tokens } = setUp();
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)) }),
          fc.stringMatching(/^[\w-]{0,40}\.[\w-]{0,40}\.[\w-]{0,40}$/),
        ),
        async (text) => {
          await expect(tokens.verify(text)).rejects.toMatchObject({ code: 'credentials-invalid' });
        },
      ),
      { numRuns: 60 },
    );
  });

  it('never shows itself in the refusal', async () => {
    const { tokens } = setUp();
    const secret = 'eyJhbGciOiJFUzI1NiJ9.c2VjcmV0LXBheWxvYWQ.c2lnbmF0dXJl';
    const error = (await tokens.verify(secret).catch((reason: unknown) => reason)) as Error;
    expect(`${error.message} ${String(error.cause)}`).not.toContain('c2VjcmV0');
  });
});

describe('access that is not ours', () => {
  it('other resource types and unknown actions in a token count for nothing', async () => {
    const { keys, tokens, clock } = setUp();
    const now = clock.now.getTime() / 1_000;
    const token = await new SignJWT({
      iss: SETTINGS.issuer,
      aud: SETTINGS.service,
      sub: '',
      iat: now,
      exp: now + 60,
      jti: 'x',
      access: [
        { type: 'registry', name: 'catalog', actions: ['*'] },
        { type: 'repository', name: 'a', actions: ['pull', 'fly'] },
      ],
      sluice: { kind: 'anonymous' },
    })
      .setProtectedHeader({ alg: 'ES256', kid: keys.kid })
      .sign(createPrivateKey(keys.privateKey.export({ format: 'pem', type: 'pkcs8' })));
    expect((await tokens.verify(token)).access).toEqual([{ repository: 'a', actions: ['pull'] }]);
  });
});
