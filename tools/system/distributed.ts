/**
 * `npm run test:distributed`: Sluice as separate processes on external PostgreSQL, Redis and S3, two replicas of the
 * registry behind a round robin without stickiness. What one replica has acknowledged holds on the other, and processes
 * may die.
 */
import { randomBytes } from 'node:crypto';
import { tmpdir } from 'node:os';
import { buildImage, buildLayer, GitLabDouble, type Image, sha256 } from '@sluice/testing';
import { tellStory } from '../demo/story.ts';
import { AppProcess } from '../distributed/app-process.ts';
import { bearer, pushBlob, pushImage, pushManifest, type PushTarget } from '../lib/oci-push.ts';
import { assert, assertEqual, Checklist } from './checklist.ts';
import { Cluster } from './cluster.ts';
import { ADMIN_PASSWORD, basic, freePort } from './platform.ts';

const PROJECT = 'replicas';
const ADMIN = basic('admin', ADMIN_PASSWORD);
/** design: a removed principal is out within seconds on every replica. */
const REVOCATION_MS = 2_000;
/** The job of a killed worker is given to another when its lease of 30 s has ended. */
const SCAN_MS = 90_000;
const TAG_MOVES = 40;
/** A new connection for every request. */
const CLOSED = { headers: { connection: 'close' } };
const CLIENTS = 6;
const BLOBS_PER_CLIENT = 12;
const BLOBS_BEFORE_KILL = 20;

const checklist = new Checklist('test:distributed');
const gitlab = await GitLabDouble.start();
const startedAt = Date.now();
const cluster = await Cluster.start({ apis: 2, environment: { SLUICE_GITLAB_URL: gitlab.issuer } });
const startSeconds = Math.round((Date.now() - startedAt) / 1_000);

const [a, b] = cluster.registries.map((each) => each.url) as [string, string];

function target(url: string, repository: string, authorization = ADMIN): PushTarget {
  return { url, repository: `${PROJECT}/${repository}`, authorization };
}

async function image(bytes = 1_000): Promise<Image> {
  return buildImage([await buildLayer([{ path: 'app/random.bin', content: randomBytes(bytes) }])]);
}

function ask(url: string, path: string, method = 'GET', authorization = ADMIN): Promise<Response> {
  return fetch(`${url}/v2/${PROJECT}/${path}`, { method, headers: { authorization, accept: '*/*' } });
}

/** Everything that the content consists of, read through that address. */
async function pullThrough(
  url: string,
  repository: string,
  { manifest, config, layers }: Image,
): Promise<void> {
  const wanted = [
    ['manifests', manifest.digest],
    ...[config, ...layers].map(({ digest }) => ['blobs', digest] as const),
  ] as const;
  for (const [kind, digest] of wanted) {
    const answer = await untilJudged(() => ask(url, `${repository}/${kind}/${digest}`));
    assertEqual(answer.status, 200, `${kind} ${digest} through ${url}`);
    assertEqual(sha256(Buffer.from(await answer.arrayBuffer())), digest, `bytes of ${kind} through ${url}`);
  }
}

/** While the verdict is pending a pull is held, and then asked to come again. */
async function untilJudged(get: () => Promise<Response>): Promise<Response> {
  for (let attempt = 0; ; attempt++) {
    const answer = await get();
    if (answer.status !== 429 || attempt === 4) return answer;
    await answer.arrayBuffer();
  }
}

async function startedOnEmptyDatabase(): Promise<string> {
  const users = await cluster.api<{ items: { name: string }[] }>('GET', '/users');
  assertEqual(
    users.body.items.map(({ name }) => name),
    ['admin'],
    'users',
  );
  const policies = await cluster.api<{ items: { name: string }[] }>('GET', '/policies');
  assertEqual(
    policies.body.items.map(({ name }) => name),
    ['default'],
    'policies',
  );
  return `6 processes at once, ready after ${startSeconds} s`;
}

async function tokensHoldEverywhere(): Promise<string> {
  const scope = `repository:${PROJECT}/tokens:pull,push`;
  for (const [issuer, other] of [
    [a, b],
    [b, a],
  ] as const) {
    const answer = await fetch(`${issuer}/service/token?service=${cluster.host}&scope=${scope}`, {
      headers: { authorization: ADMIN },
    });
    const { token } = (await answer.json()) as { token: string };
    const pushed = await image();
    await pushImage(target(other, 'tokens', `Bearer ${token}`), pushed, 'latest');
    assertEqual(
      (await ask(issuer, 'tokens/manifests/latest', 'HEAD', `Bearer ${token}`)).headers.get(
        'docker-content-digest',
      ),
      pushed.manifest.digest,
      'the tag on the replica that made the token',
    );
  }
  return 'made by one replica, used on the other';
}

async function tagsAreReadAfterWrite(): Promise<string> {
  const [first, second] = [await image(), await image()];
  for (const each of [first, second]) await pushImage(target(a, 'tags'), each, each.manifest.digest);
  const authorization = await bearer(cluster.url, ADMIN, `repository:${PROJECT}/tags:pull,push`);
  for (let move = 0; move < TAG_MOVES; move++) {
    const moved = move % 2 === 0 ? first : second;
    const [writer, reader] = move % 3 === 0 ? [b, a] : [a, b];
    await pushManifest(target(writer, 'tags', authorization), moved.manifest, 'moving');
    for (const method of ['HEAD', 'GET']) {
      const read = await ask(reader, 'tags/manifests/moving', method, authorization);
      assertEqual(
        read.headers.get('docker-content-digest'),
        moved.manifest.digest,
        `${method} after move ${move} on the other replica`,
      );
      await read.arrayBuffer();
    }
  }
  return `${TAG_MOVES} moves, each read through the other replica at once`;
}

/** One upload, every request of it on another replica than the one before. */
async function uploadsGoOnElsewhere(): Promise<string> {
  const bytes = randomBytes(12_000_000);
  const digest = sha256(bytes);
  const headers = { authorization: ADMIN };
  const begun = await fetch(`${b}/v2/${PROJECT}/uploads/blobs/uploads/`, { method: 'POST', headers });
  assertEqual(begun.status, 202, 'POST on B');
  let location = begun.headers.get('location') ?? '';
  let offset = 0;
  for (const [replica, length] of [
    [a, 5_000_000],
    [b, 1_000_000],
    [a, 5_500_000],
    [b, 500_000],
  ] as const) {
    const answer = await fetch(new URL(location, replica).href.replace(cluster.url, replica), {
      method: 'PATCH',
      headers: {
        ...headers,
        'content-type': 'application/octet-stream',
        'content-range': `${offset}-${offset + length - 1}`,
      },
      body: new Uint8Array(bytes.subarray(offset, offset + length)),
    });
    assertEqual(answer.status, 202, `PATCH at ${offset}: ${await answer.text()}`);
    location = answer.headers.get('location') ?? '';
    offset += length;
  }
  const end = new URL(location.replace(cluster.url, ''), a);
  end.searchParams.set('digest', digest);
  const ended = await fetch(end, { method: 'PUT', headers });
  assertEqual(ended.status, 201, `PUT on A: ${await ended.text()}`);
  for (const replica of [a, b]) {
    const read = await ask(replica, `uploads/blobs/${digest}`);
    assertEqual(sha256(Buffer.from(await read.arrayBuffer())), digest, `bytes through ${replica}`);
  }
  return '12 MB in 4 PATCHes in turn, ended by the other';
}

async function revocationReachesEverybody(): Promise<string> {
  const robot = await cluster.api<{ id: string; name: string; secret: string }>('POST', '/robots', {
    node: PROJECT,
    name: 'leaver',
    role: 'developer',
  });
  const { id, name, secret } = robot.body;
  const scope = `repository:${PROJECT}/tags:pull`;
  const token = await bearer(a, basic(name, secret), scope);
  // Both have seen the token, and may remember what it allows.
  for (const replica of [a, b, a, b]) {
    assertEqual(
      (await ask(replica, 'tags/tags/list', 'GET', token)).status,
      200,
      `before, through ${replica}`,
    );
  }
  await cluster.api('PATCH', `/robots/${id}`, { disabled: true }, { headers: { 'if-match': '*' } });
  const since = Date.now();
  let slowest = 0;
  for (const replica of [a, b]) {
    for (;;) {
      const [listed, pulled] = await Promise.all([
        ask(replica, 'tags/tags/list', 'GET', token),
        ask(replica, 'tags/manifests/moving', 'HEAD', token),
      ]);
      if (listed.status === 401 && pulled.status === 401) break;
      assert(
        Date.now() - since < REVOCATION_MS,
        `${replica} still answers ${listed.status} and ${pulled.status} after ${REVOCATION_MS} ms`,
      );
    }
    slowest = Math.max(slowest, Date.now() - since);
  }
  return `refused by both ${slowest} ms after`;
}

/** As clients do: from the beginning when a connection broke. Resolves with how often that was. */
async function pushPatiently(to: PushTarget, blob: { bytes: Buffer; digest: string }): Promise<number> {
  for (let attempt = 0; ; attempt++) {
    try {
      await pushBlob(to, blob);
      return attempt;
    } catch (error) {
      assert(attempt < 3, `a push fails again and again: ${String(error)}`);
    }
  }
}

/** kill -9 while clients push through the round robin: they try again, and everything acknowledged is there. */
async function aRegistryMayDie(): Promise<string> {
  const victim = cluster.registries[0];
  assert(victim !== undefined, 'the cluster has no registry');
  const acknowledged: string[] = [];
  let retries = 0;
  const pushMany = async (): Promise<void> => {
    for (let index = 0; index < BLOBS_PER_CLIENT; index++) {
      const bytes = randomBytes(1_000_000);
      const blob = { bytes, digest: sha256(bytes) };
      retries += await pushPatiently(target(cluster.url, 'survivors'), blob);
      acknowledged.push(blob.digest);
      if (acknowledged.length === BLOBS_BEFORE_KILL) void victim.kill();
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, pushMany));
  assert(await victim.ended(5_000), 'the registry was not killed');
  for (const digest of acknowledged) {
    const read = await ask(cluster.url, `survivors/blobs/${digest}`);
    assertEqual(sha256(Buffer.from(await read.arrayBuffer())), digest, 'an acknowledged blob');
  }
  const pushed = await image(2_000_000);
  await pushImage(target(cluster.url, 'survivors'), pushed, 'during');
  await pullThrough(cluster.url, 'survivors', pushed);
  await victim.launch();
  await pullThrough(a, 'survivors', pushed);
  return `${acknowledged.length} blobs, ${retries} tried again; pushed, judged and pulled through the other; back again`;
}

async function untilScanned(repository: string, tag: string): Promise<void> {
  const { body } = await cluster.api<{ id: string }>('GET', `/resolve?ref=${PROJECT}/${repository}:${tag}`);
  const deadline = Date.now() + SCAN_MS;
  for (;;) {
    const evidence = await cluster.api<{ items: { kind: string }[] }>(
      'GET',
      `/artifacts/${body.id}/evidence`,
    );
    if (evidence.body.items.some(({ kind }) => kind === 'scan')) return;
    assert(Date.now() < deadline, `not scanned ${SCAN_MS} ms after the scanner was there again`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

/** Two registries listen on one port; the system shares connections out, and one of them may die. */
async function onePortIsShared(): Promise<string> {
  const port = await freePort();
  const environment = { ...cluster.environment, SLUICE_REUSE_PORT: 'true' };
  const pair = [1, 2].map(() => new AppProcess('registry', { port, directory: tmpdir(), environment }));
  const started = async (): Promise<string> =>
    /^process_start_time_seconds (\S+)/m.exec(
      await (await fetch(`http://127.0.0.1:${port}/metrics`, CLOSED)).text(),
    )?.[1] ?? '';
  try {
    for (const each of pair) await each.launch();
    const seen = new Set<string>();
    const deadline = Date.now() + 30_000;
    while (seen.size < 2 && Date.now() < deadline) seen.add(await started());
    assertEqual(seen.size, 2, 'processes that answer on the port');
    await pair[0]?.kill();
    for (let attempt = 0; attempt < 20; attempt++) assert((await started()) !== '', 'nobody answers');
  } finally {
    for (const each of pair) await each.stop();
  }
  return 'both answered; after one was killed the other did';
}

/** kill -9 of an API just after pushes: events become jobs, and the API answers, without it. */
async function anApiMayDie(): Promise<string> {
  const [victim] = cluster.apis;
  assert(victim !== undefined, 'the cluster has no API');
  const tags = ['one', 'two', 'three', 'four'];
  for (const tag of tags) {
    await pushImage(target(cluster.url, 'apis'), await image(), tag);
    if (tag === 'two') await victim.kill();
  }
  const killedAt = Date.now();
  for (const tag of tags) await untilScanned('apis', tag);
  const seconds = Math.round((Date.now() - killedAt) / 1_000);
  await victim.launch();
  return `${tags.length} pushes were scanned within ${seconds} s`;
}

async function theScannerMayDie(): Promise<string> {
  const { scanner } = cluster;
  await scanner.stop();
  await scanner.launch({ SLUICE_FAULT_POINT: 'scan.layer-recorded' });
  const pushed = await image(2_000_000);
  await pushImage(target(cluster.url, 'scans'), pushed, 'latest');
  assert(await scanner.ended(30_000), 'the scanner did not die in the scan');
  const killedAt = Date.now();
  await scanner.launch();
  await untilScanned('scans', 'latest');
  await pullThrough(cluster.url, 'scans', pushed);
  return `scanned ${Math.round((Date.now() - killedAt) / 1_000)} s after it was killed`;
}

/** A replica that is told to stop finishes the upload that runs, and the round robin has the other. */
async function aRegistryDrains(): Promise<string> {
  const replica = cluster.registries[1];
  assert(replica !== undefined, 'the cluster has no second registry');
  const bytes = randomBytes(3_000_000);
  const digest = sha256(bytes);
  const headers = { authorization: ADMIN, 'content-type': 'application/octet-stream' };
  const begun = await fetch(`${b}/v2/${PROJECT}/drains/blobs/uploads/`, { method: 'POST', headers });
  const location = new URL((begun.headers.get('location') ?? '').replace(cluster.url, ''), b);
  const { promise: stopped, resolve } = Promise.withResolvers<void>();
  async function* slowly(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 500_000) {
      yield bytes.subarray(at, at + 500_000);
      if (at === 500_000) void replica?.stop().then(resolve);
      await new Promise((done) => setTimeout(done, 200));
    }
  }
  const patched = await fetch(location, {
    method: 'PATCH',
    headers,
    body: ReadableStream.from(slowly()) as ReadableStream<Uint8Array>,
    duplex: 'half',
  } as RequestInit);
  assertEqual(patched.status, 202, 'the PATCH that ran when the replica was told to stop');
  await stopped;
  const end = new URL((patched.headers.get('location') ?? '').replace(cluster.url, ''), cluster.url);
  end.searchParams.set('digest', digest);
  assertEqual((await fetch(end, { method: 'PUT', headers })).status, 201, 'the end through the other');
  const read = await ask(cluster.url, `drains/blobs/${digest}`);
  assertEqual(sha256(Buffer.from(await read.arrayBuffer())), digest, 'bytes of the upload');
  await replica.launch();
  return 'its last PATCH was finished, and the upload ended on the other';
}

/** Blobs are read back that no manifest names; scanning and judging go on all the same. */
async function openTheGate(): Promise<void> {
  const document =
    'apiVersion: sluice.dev/v1\nkind: Policy\nmetadata: {name: default}\nspec: {mode: "off", rules: [{name: scanned, kind: scan}]}\n';
  await cluster.api('PUT', '/policies', { node: null, document });
}

async function demo(): Promise<void> {
  const password = ADMIN_PASSWORD;
  await tellStory({ url: cluster.url, user: 'admin', password, gitlab, isShared: true });
}

try {
  await checklist.check(
    'processes that start at once on an empty database all come up',
    startedOnEmptyDatabase,
  );
  await cluster.api('POST', '/projects', { path: PROJECT }, { expect: 201 });
  await checklist.check('the demo runs against separate processes', demo);
  await openTheGate();
  await checklist.check('a token of one replica holds on the other', tokensHoldEverywhere);
  await checklist.check(
    'a tag that was moved on one replica is read on the other at once',
    tagsAreReadAfterWrite,
  );
  await checklist.check('an upload goes on and ends on any replica', uploadsGoOnElsewhere);
  await checklist.check('a revoked robot is refused by every replica within 2 s', revocationReachesEverybody);
  await checklist.check('a registry is killed, and pushes and pulls go on', aRegistryMayDie);
  await checklist.check('a registry that is told to stop finishes what runs', aRegistryDrains);
  await checklist.check('an API is killed, and what was pushed is scanned', anApiMayDie);
  await checklist.check('several registries of one machine share a port', onePortIsShared);
  await checklist.check('a scanner is killed in a scan, and the scan finishes', theScannerMayDie);
} catch (error) {
  console.error(cluster.output);
  throw error;
} finally {
  await cluster.stop();
  await gitlab[Symbol.asyncDispose]();
}
checklist.finish();
