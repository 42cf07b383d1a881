/**
 * `npm run test:access`: who loses a right is refused by every replica within two seconds, also with a registry token that
 * was issued before; and limits are counted for all replicas together.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildImage, buildLayer } from '@sluice/testing';
import { bearer, pushImage } from '../lib/oci-push.ts';
import { assert, assertEqual, Checklist } from './checklist.ts';
import { Cluster } from './cluster.ts';
import { ADMIN_PASSWORD, basic } from './platform.ts';

const REPOSITORY = 'team/app/web';
const ADMIN = basic('admin', ADMIN_PASSWORD);
const REVOCATION_MS = 2_000;
/** What ends by the clock: those of replicas may differ by ten seconds. */
const EXPIRY_MS = 12_000;
/** How long it is watched that who was refused stays so. */
const AFTERWARDS_MS = 500;
/** Requests of a principal: so many at once, and then so few a second that a test does not notice them. */
const BURST = 1_000;
const LOGIN_FAILURES = 10;

interface Revocable {
  /** Whom the registry tokens are asked for; null: nobody in particular. */
  readonly authorization: string | null;
  readonly revoke: () => Promise<unknown>;
}

const checklist = new Checklist('test:access');
const cluster = await Cluster.start({
  registries: 2,
  storage: 'fs',
  environment: { SLUICE_RATE_LIMIT_PRINCIPAL: '1', SLUICE_RATE_LIMIT_PRINCIPAL_BURST: String(BURST) },
});
const replicas = cluster.registries.map(({ url }) => url);
let people = 0;

async function newUser(
  role: string | null,
): Promise<{ id: string; name: string; authorization: string; grant: string }> {
  const name = `user-${(people += 1)}`;
  const password = `password of ${name}`;
  const { body } = await cluster.api<{ id: string }>('POST', '/users', { name, password }, { expect: 201 });
  const grant = { node: 'team/app', principal: name, role };
  const given = await cluster.api<{ id: string }>('POST', '/grants', grant, { expect: 201 });
  return { id: body.id, name, authorization: basic(name, password), grant: given.body.id };
}

interface CreatedRobot {
  readonly id: string;
  readonly name: string;
  readonly secretId: string;
  readonly secret: string;
}

async function newRobot(node: string): Promise<CreatedRobot & { authorization: string }> {
  const name = `robot-${(people += 1)}`;
  const { body } = await cluster.api<CreatedRobot>(
    'POST',
    '/robots',
    { node, name, role: 'developer', scopes: ['repository:team/app/*:pull,push'] },
    { expect: 201 },
  );
  return { ...body, authorization: basic(body.name, body.secret) };
}

/** What the holder of a token can do with the repository. */
interface Use {
  readonly what: string;
  readonly method: string;
  readonly path: string;
}

async function statuses(replica: string, token: string, uses: readonly Use[]): Promise<number[]> {
  return Promise.all(
    uses.map(async ({ method, path }) => {
      const answer = await fetch(`${replica}/v2/${REPOSITORY}/${path}`, {
        method,
        headers: { authorization: token, accept: '*/*' },
      });
      await answer.arrayBuffer();
      assert(answer.status !== 429, 'the limit of requests was reached, which shows nothing');
      return answer.status;
    }),
  );
}

const isAllowed = (status: number): boolean => status >= 200 && status < 300;

/** Uses tokens of both replicas on both, takes the right away, and waits until nothing is allowed any more. */
async function endsEverywhere(
  { authorization, revoke }: Revocable,
  uses: readonly Use[],
  withinMs = REVOCATION_MS,
): Promise<string> {
  const tokens = await Promise.all(
    replicas.map((replica) => bearer(replica, authorization, `repository:${REPOSITORY}:pull,push`)),
  );
  const pairs = replicas.flatMap((replica) => tokens.map((token) => ({ replica, token })));
  for (let warm = 0; warm < 2; warm += 1) {
    for (const { replica, token } of pairs) {
      const before = await statuses(replica, token, uses);
      assert(
        before.every(isAllowed),
        `before anything was taken away ${replica} answers ${before.join(' ')}`,
      );
    }
  }
  await revoke();
  const since = Date.now();
  const slowest = await Promise.all(pairs.map((pair) => untilRefused(pair, uses, since, withinMs)));
  await sleep(AFTERWARDS_MS);
  for (const { replica, token } of pairs) {
    const after = await statuses(replica, token, uses);
    assert(!after.some(isAllowed), `${replica} answers ${after.join(' ')} again after it refused`);
  }
  return `refused everywhere ${Math.max(...slowest)} ms after the answer of the API`;
}

async function untilRefused(
  { replica, token }: { replica: string; token: string },
  uses: readonly Use[],
  since: number,
  withinMs: number,
): Promise<number> {
  for (;;) {
    const askedAt = Date.now() - since;
    const now = await statuses(replica, token, uses);
    if (!now.some(isAllowed)) return askedAt;
    assert(askedAt < withinMs, `${replica} still answers ${now.join(' ')} after ${askedAt} ms`);
    await sleep(withinMs / 30);
  }
}

async function countAllowed(ask: (replica: string) => Promise<number>, count: number): Promise<number[]> {
  const answers: number[] = [];
  for (let index = 0; index < count; index += 20) {
    const part = Array.from({ length: 20 }, (_, offset) => ask(replicas[offset % replicas.length] ?? ''));
    answers.push(...(await Promise.all(part)));
  }
  return answers;
}

try {
  const document =
    'apiVersion: sluice.dev/v1\nkind: Policy\nmetadata: {name: default}\nspec: {mode: "off", rules: [{name: scanned, kind: scan}]}\n';
  await cluster.api('PUT', '/policies', { node: null, document });
  const project = await cluster.api<{ id: string }>(
    'POST',
    '/projects',
    { path: 'team/app', visibility: 'private' },
    { expect: 201 },
  );
  const image = buildImage([await buildLayer([{ path: 'app/random.bin', content: randomBytes(50_000) }])]);
  await pushImage({ url: cluster.url, repository: REPOSITORY, authorization: ADMIN }, image, 'v1');
  const pulls = [
    { what: 'manifest by digest', method: 'GET', path: `manifests/${image.manifest.digest}` },
    { what: 'manifest by tag', method: 'GET', path: 'manifests/v1' },
    { what: 'layer', method: 'GET', path: `blobs/${image.layers[0]?.digest}` },
    { what: 'tags', method: 'GET', path: 'tags/list' },
  ];
  const everything = [...pulls, { what: 'push', method: 'POST', path: 'blobs/uploads/' }];

  await checklist.check('a member who is removed', async () => {
    const user = await newUser('developer');
    const revoke = () => cluster.api('DELETE', `/grants/${user.grant}`, undefined, { expect: 204 });
    return endsEverywhere({ authorization: user.authorization, revoke }, everything);
  });

  await checklist.check('a member with a lower role may push no more, and still pulls', async () => {
    const user = await newUser('developer');
    const lower = { node: 'team/app', principal: user.name, role: 'reporter' };
    const push = everything.filter(({ what }) => what === 'push');
    const revoke = () => cluster.api('POST', '/grants', lower);
    const outcome = await endsEverywhere({ authorization: user.authorization, revoke }, push);
    const token = await bearer(cluster.url, user.authorization, `repository:${REPOSITORY}:pull`);
    for (const replica of replicas)
      assert((await statuses(replica, token, pulls)).every(isAllowed), 'cannot pull');
    return outcome;
  });

  await checklist.check('a user who is disabled', async () => {
    const user = await newUser('developer');
    const headers = { 'if-match': '*' };
    const revoke = () => cluster.api('PATCH', `/users/${user.id}`, { disabled: true }, { headers });
    return endsEverywhere({ authorization: user.authorization, revoke }, everything);
  });

  await checklist.check('a user who is deleted', async () => {
    const user = await newUser('developer');
    const revoke = () => cluster.api('DELETE', `/users/${user.id}`, undefined, { expect: 204 });
    return endsEverywhere({ authorization: user.authorization, revoke }, everything);
  });

  await checklist.check('a personal access token that is revoked', async () => {
    const user = await newUser('developer');
    const { authorization } = user;
    const wanted = { name: 'laptop', scopes: ['repository:*:pull,push'] };
    const created = await cluster.api<{ id: string; secret: string }>('POST', '/tokens', wanted, {
      authorization,
    });
    const revoke = () =>
      cluster.api('DELETE', `/tokens/${created.body.id}`, undefined, { authorization, expect: 204 });
    return endsEverywhere({ authorization: basic(user.name, created.body.secret), revoke }, everything);
  });

  await checklist.check('the secret of a robot of a group that is revoked', async () => {
    const robot = await newRobot('team');
    const revoke = () =>
      cluster.api('DELETE', `/robots/${robot.id}/secrets/${robot.secretId}`, undefined, { expect: 204 });
    return endsEverywhere({ authorization: robot.authorization, revoke }, everything);
  });

  await checklist.check('a robot that is disabled', async () => {
    const robot = await newRobot('team/app');
    const headers = { 'if-match': '*' };
    const revoke = () => cluster.api('PATCH', `/robots/${robot.id}`, { disabled: true }, { headers });
    return endsEverywhere({ authorization: robot.authorization, revoke }, everything);
  });

  await checklist.check('a robot that is deleted', async () => {
    const robot = await newRobot('team/app');
    const revoke = () => cluster.api('DELETE', `/robots/${robot.id}`, undefined, { expect: 204 });
    return endsEverywhere({ authorization: robot.authorization, revoke }, everything);
  });

  await checklist.check('a robot that ends while it pulls', async () => {
    const robot = await newRobot('team');
    const headers = { 'if-match': '*' };
    const expiresAt = new Date(Date.now() + 5_000).toISOString();
    await cluster.api('PATCH', `/robots/${robot.id}`, { expiresAt }, { headers });
    const revoke = () => sleep(Math.max(0, new Date(expiresAt).getTime() - Date.now()));
    return endsEverywhere({ authorization: robot.authorization, revoke }, everything, EXPIRY_MS);
  });

  await checklist.check('everybody, when a project is public no more', async () => {
    const show = (visibility: string) =>
      cluster.api('PATCH', `/projects/${project.body.id}`, { visibility }, { headers: { 'if-match': '*' } });
    await show('public');
    return endsEverywhere({ authorization: null, revoke: () => show('private') }, pulls);
  });

  await checklist.check('requests of a principal are counted for all replicas together', async () => {
    const user = await newUser('reporter');
    const token = await bearer(cluster.url, user.authorization, `repository:${REPOSITORY}:pull`);
    const ask = async (replica: string) => {
      const headers = { authorization: token, accept: '*/*' };
      const answer = await fetch(`${replica}/v2/${REPOSITORY}/manifests/v1`, { headers });
      await answer.arrayBuffer();
      return answer.status;
    };
    const answers: number[] = [];
    // Slowly enough for counts to be exchanged on the way.
    for (let part = 0; part < 8; part += 1) {
      answers.push(...(await countAllowed(ask, BURST / 4)));
      await sleep(300);
    }
    const allowed = answers.filter((status) => status === 200).length;
    assertEqual(
      answers.filter((status) => status !== 200 && status !== 429),
      [],
      'other answers',
    );
    assert(allowed >= BURST - 10, `${allowed} of ${BURST} were allowed`);
    assert(allowed <= BURST * 1.4, `${allowed} were allowed, where ${BURST} may be in one process`);
    return `${allowed} of ${answers.length} allowed, with a burst of ${BURST}`;
  });

  await checklist.check('failed logins are counted for all replicas together', async () => {
    const user = await newUser('reporter');
    const login = (replica: string, authorization: string) =>
      fetch(`${replica}/service/token`, { headers: { authorization } }).then(({ status }) => status);
    const wrong = basic(user.name, 'wrong password');
    const answers: number[] = [];
    for (let index = 0; index < LOGIN_FAILURES + 4; index += 1) {
      answers.push(await login(replicas[index % replicas.length] ?? '', wrong));
    }
    const expected = answers.map((_, index) => (index < LOGIN_FAILURES ? 401 : 429));
    assertEqual(answers, expected, 'answers to wrong passwords at both replicas in turn');
    return `${LOGIN_FAILURES} of ${answers.length} were tried`;
  });
} finally {
  await cluster.remove();
}
checklist.finish();
