/**
 * `npm run test:faults`: kills the process (SIGKILL) at named points of push and scan. After the restart everything
 * that was acknowledged is there and hashes right, nothing is visible by half, and open jobs finish.
 */
import { randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { buildImage, buildLayer, type Image, sha256 } from '@sluice/testing';
import { pushBlobStreamed, pushManifest, type PushTarget } from '../lib/oci-push.ts';
import { assert, assertEqual, Checklist } from './checklist.ts';
import { importAdvisories } from './fixtures.ts';
import { ADMIN_PASSWORD, basic, Platform } from './platform.ts';

/** Reached while the client waits for its answer. */
const PUSH_POINTS = [
  'upload.appended',
  'upload.recorded',
  'upload.synced',
  'blob.committed',
  'manifest.before-commit',
  'manifest.after-commit',
];
/** Reached after the push was acknowledged. */
const SCAN_POINTS = ['scan.claimed', 'scan.layer-recorded', 'scan.before-evidence', 'scan.after-evidence'];

const REPOSITORY = 'faults/app';
const AUTHORIZATION = basic('admin', ADMIN_PASSWORD);
const checklist = new Checklist('test:faults');
const platform = await Platform.start();
const target: PushTarget = { url: platform.url, repository: REPOSITORY, authorization: AUTHORIZATION };

/** Digests whose push was answered with 201, over the whole run. */
const acknowledged = { blobs: new Set<string>(), manifests: new Set<string>() };

async function freshImage(): Promise<Image> {
  const entries = [
    { path: 'app/node_modules/minimist/package.json', content: '{"name":"minimist","version":"1.2.8"}' },
    { path: 'app/random.bin', content: randomBytes(3_000_000) },
  ];
  return buildImage([await buildLayer(entries)]);
}

/** Pushes and notes what was acknowledged; false when the connection broke on the way. */
async function push(image: Image, tag: string): Promise<boolean> {
  try {
    for (const blob of [...image.layers, image.config]) {
      await pushBlobStreamed(target, blob);
      acknowledged.blobs.add(blob.digest);
    }
    await pushManifest(target, image.manifest, tag);
    acknowledged.manifests.add(image.manifest.digest);
    return true;
  } catch (error) {
    if (error instanceof TypeError) return false;
    throw error;
  }
}

/** Asks again while the verdict is pending: a killed worker's job is taken over when its lease ends. */
async function get(path: string): Promise<{ status: number; digest: string }> {
  for (let attempt = 0; ; attempt++) {
    const answer = await fetch(`${platform.url}/v2/${REPOSITORY}/${path}`, {
      headers: { authorization: AUTHORIZATION, accept: '*/*' },
    });
    const digest = sha256(Buffer.from(await answer.arrayBuffer()));
    if (answer.status !== 429 || attempt === 3) return { status: answer.status, digest };
  }
}

/** Everything acknowledged is there with the right bytes; what was not is there whole or not at all. */
async function checkContent(interrupted: Image): Promise<string> {
  for (const digest of acknowledged.blobs) {
    const blob = await get(`blobs/${digest}`);
    assertEqual([blob.status, blob.digest], [200, digest], `acknowledged blob ${digest}`);
  }
  for (const digest of acknowledged.manifests) {
    const manifest = await get(`manifests/${digest}`);
    assertEqual([manifest.status, manifest.digest], [200, digest], `acknowledged manifest ${digest}`);
  }
  for (const { digest } of [...interrupted.layers, interrupted.config]) {
    const blob = await get(`blobs/${digest}`);
    assert(
      blob.status === 404 || (blob.status === 200 && blob.digest === digest),
      `blob ${digest} is there by half`,
    );
  }
  const manifest = await get(`manifests/${interrupted.manifest.digest}`);
  if (manifest.status === 404) return 'not there';
  assertEqual([manifest.status, manifest.digest], [200, interrupted.manifest.digest], 'interrupted manifest');
  for (const { digest } of [...interrupted.layers, interrupted.config]) {
    assertEqual((await get(`blobs/${digest}`)).status, 200, `blob ${digest} of a manifest that is there`);
  }
  return 'there, whole';
}

/** Sends a PATCH of so many chunks, a quarter of a second apart; resolves with its status. */
function sendSlowly(location: URL, chunks: number, chunkBytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: AUTHORIZATION, 'content-type': 'application/octet-stream' };
    const patch = request(location, { method: 'PATCH', headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    patch.on('error', reject);
    let sent = 0;
    const timer = setInterval(() => {
      patch.write(Buffer.alloc(chunkBytes));
      if (++sent < chunks) return;
      clearInterval(timer);
      patch.end();
    }, 250);
  });
}

async function untilScanned(tag: string): Promise<void> {
  const { body } = await platform.api<{ id: string }>('GET', `/resolve?ref=${REPOSITORY}:${tag}`);
  const deadline = Date.now() + 90_000;
  for (;;) {
    const evidence = await platform.api<{ items: { kind: string }[] }>(
      'GET',
      `/artifacts/${body.id}/evidence`,
    );
    const verdict = await platform.api<{ state: string }>('GET', `/artifacts/${body.id}/verdict`);
    const open = await platform.api<{ items: unknown[] }>('GET', '/jobs?state=queued,running&limit=1');
    const scanned = evidence.body.items.some(({ kind }) => kind === 'scan');
    if (scanned && verdict.body.state !== 'pending' && open.body.items.length === 0) return;
    assert(
      Date.now() < deadline,
      `not scanned or judged 90 s after the restart (verdict ${verdict.body.state})`,
    );
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

try {
  await importAdvisories(platform);
  // Content is read back by digest, so the gate stands open; scanning and judging go on all the same.
  const document =
    'apiVersion: sluice.dev/v1\nkind: Policy\nmetadata: {name: default}\nspec: {mode: "off", rules: [{name: scanned, kind: scan}]}\n';
  await platform.api('PUT', '/policies', { node: null, document });
  await platform.api('POST', '/projects', { path: 'faults', visibility: 'private' }, { expect: 201 });
  assert(await push(await freshImage(), 'first'), 'the first push fails without any fault');
  await untilScanned('first');

  await checklist.check(
    'SIGTERM lets a running upload finish, and it goes on after the restart',
    async () => {
      const start = await fetch(`${platform.url}/v2/${REPOSITORY}/blobs/uploads/`, {
        method: 'POST',
        headers: { authorization: AUTHORIZATION },
      });
      const location = new URL(start.headers.get('location') ?? '', platform.url);
      const sending = sendSlowly(location, 8, 100_000);
      await new Promise((resolve) => setTimeout(resolve, 700));
      const stopped = platform.stop();
      assertEqual(await sending, 202, 'answer to the upload under way');
      await stopped;
      await platform.launch();
      const status = await fetch(location, { headers: { authorization: AUTHORIZATION } });
      assertEqual([status.status, status.headers.get('range')], [204, '0-799999'], 'the upload afterwards');
    },
  );
  for (const point of [...PUSH_POINTS, ...SCAN_POINTS]) {
    await checklist.check(`kill -9 at ${point}`, async () => {
      const tag = point.replace('.', '-');
      const image = await freshImage();
      await platform.stop();
      await platform.launch({ SLUICE_FAULT_POINT: point });
      const wasAcknowledged = await push(image, tag);
      assert(await platform.ended(60_000), 'the process did not reach the point');
      assertEqual(wasAcknowledged, SCAN_POINTS.includes(point), 'push acknowledged');
      await platform.launch();
      const interrupted = await checkContent(image);
      assert(await push(image, tag), 'pushing again after the restart fails');
      await untilScanned(tag);
      return `interrupted push ${interrupted}; ${acknowledged.blobs.size} acknowledged blobs whole; jobs finished`;
    });
  }
} finally {
  await platform.remove();
}
checklist.finish();
