import { createHash, randomBytes } from 'node:crypto';
import { pushBlob, pushBlobStreamed, type PushTarget } from '../../lib/oci-push.ts';
import { assert, assertEqual, type Checklist } from '../checklist.ts';
import { ADMIN_PASSWORD, basic, Platform } from '../platform.ts';
import type { Fault, FaultProxy } from '../s3-fault-proxy.ts';
import type { S3Server } from '../s3-server.ts';

const MIB = 1_048_576;
const ROUNDS = 30;
const AUTHORIZATION = basic('admin', ADMIN_PASSWORD);
const REPOSITORY = 'storage/app';
const OPEN =
  'apiVersion: sluice.dev/v1\nkind: Policy\nmetadata: {name: default}\nspec: {mode: "off", rules: [{name: scanned, kind: scan}]}\n';

/** Pushes through the whole platform while the store fails at random, but the same way in every run. */
export async function checkPushes(checklist: Checklist, server: S3Server, proxy: FaultProxy): Promise<void> {
  const url = `s3://${server.bucket}/platform?endpoint=${proxy.endpoint}`;
  const platform = await Platform.start({ ...server.environment, SLUICE_BLOB_STORE: url });
  try {
    // Content is read back by digest, so the gate stands open.
    await platform.api('PUT', '/policies', { node: null, document: OPEN });
    await platform.api('POST', '/projects', { path: 'storage', visibility: 'private' }, { expect: 201 });
    await checklist.check(
      `${server.name}: pushes while the store fails: acknowledged blobs are whole, others not there`,
      () => pushUnderFaults(platform, proxy),
    );
    await checklist.check(`${server.name}: a redirected blob comes from the store, whole and by range`, () =>
      pullRedirected(platform),
    );
  } finally {
    proxy.plan = () => undefined;
    await platform.remove();
  }
}

async function pushUnderFaults(platform: Platform, proxy: FaultProxy): Promise<string> {
  const target: PushTarget = { url: platform.url, repository: REPOSITORY, authorization: AUTHORIZATION };
  const random = seeded(7);
  let faults = 0;
  proxy.plan = ({ operation }) => {
    if (random() > 0.35) return undefined;
    faults += 1;
    return FAULTS[Math.floor(random() * FAULTS.length)]?.(operation);
  };
  const acknowledged: string[] = [];
  const failed: string[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const bytes = randomBytes(Math.floor(random() * (round % 3 === 0 ? 19 * MIB : 70_000)));
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
    const push = round % 2 === 0 ? pushBlob : pushBlobStreamed;
    await push(target, { bytes, digest }).then(
      () => acknowledged.push(digest),
      () => failed.push(digest),
    );
  }
  proxy.plan = () => undefined;
  for (const digest of acknowledged)
    assertEqual(await read(platform, digest), [200, digest], 'acknowledged blob');
  for (const digest of failed) assertEqual((await read(platform, digest))[0], 404, 'blob that was not taken');
  assert(acknowledged.length > 0, 'no push came through');
  return `${acknowledged.length} acknowledged, ${failed.length} failed, ${faults} faults`;
}

/** As clients do: without their credentials at the other host, and with their range. */
async function pullRedirected(platform: Platform): Promise<void> {
  const bytes = randomBytes(6 * MIB);
  const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
  await pushBlob(
    { url: platform.url, repository: REPOSITORY, authorization: AUTHORIZATION },
    { bytes, digest },
  );
  const { body } = await platform.api<{ items: { id: string }[] }>('GET', '/projects?path=storage');
  const change = { blobDownloads: 'redirect' };
  await platform.api('PATCH', `/projects/${body.items[0]?.id}`, change, { headers: { 'if-match': '*' } });
  const answer = await fetch(`${platform.url}/v2/${REPOSITORY}/blobs/${digest}`, {
    headers: { authorization: AUTHORIZATION },
    redirect: 'manual',
  });
  assertEqual(
    [answer.status, answer.headers.get('docker-content-digest')],
    [307, digest],
    'answer of Sluice',
  );
  const location = answer.headers.get('location') ?? '';
  const whole = Buffer.from(await (await fetch(location)).arrayBuffer());
  assert(whole.equals(bytes), 'the store gives other bytes');
  const part = await fetch(location, { headers: { range: 'bytes=100-199' } });
  assertEqual(
    [part.status, part.headers.get('content-length')],
    [206, '100'],
    'answer of the store to a range',
  );
  assert(
    Buffer.from(await part.arrayBuffer()).equals(bytes.subarray(100, 200)),
    'the store gives another range',
  );
}

const FAULTS: readonly ((operation: string) => Fault | undefined)[] = [
  () => ({ kind: 'answer', status: 503, code: 'SlowDown' }),
  () => ({ kind: 'answer', status: 500, code: 'InternalError' }),
  () => ({ kind: 'cut-request', afterBytes: 1_000 }),
  () => ({ kind: 'lose-answer' }),
  (operation) => (operation === 'Get' ? { kind: 'cut-answer', afterBytes: 100 } : { kind: 'lose-answer' }),
];

async function read(platform: Platform, digest: string): Promise<[number, string]> {
  const answer = await fetch(`${platform.url}/v2/${REPOSITORY}/blobs/${digest}`, {
    headers: { authorization: AUTHORIZATION },
  });
  const bytes = Buffer.from(await answer.arrayBuffer());
  return [answer.status, `sha256:${createHash('sha256').update(bytes).digest('hex')}`];
}

/** Numbers from 0 to 1 that are the same in every run (mulberry32). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
