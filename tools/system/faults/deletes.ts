import { sha256 } from '@sluice/testing';
import { randomBytes } from 'node:crypto';
import { pushBlob } from '../../lib/oci-push.ts';
import { assert, assertEqual, type Checklist } from '../checklist.ts';
import { AUTHORIZATION, freshImage, type Lab, REPOSITORY } from './lab.ts';

interface Deletion {
  readonly point: string;
  /** Whether what is deleted is there after the restart. */
  readonly survives: boolean;
}

const MANIFEST: readonly Deletion[] = [
  { point: 'manifest.before-delete', survives: true },
  { point: 'manifest.deleted', survives: false },
];
const BLOB: readonly Deletion[] = [
  { point: 'blob.before-delete', survives: true },
  { point: 'blob.deleted', survives: false },
];

/** Kills the process at every step of a delete: it has happened or it has not, and can be repeated. */
export async function checkDeletes(checklist: Checklist, lab: Lab, isShort: boolean): Promise<void> {
  for (const deletion of isShort ? MANIFEST.slice(1) : MANIFEST)
    await checkManifest(checklist, lab, deletion);
  for (const deletion of isShort ? [] : BLOB) await checkBlob(checklist, lab, deletion);
  if (!isShort) await checkTag(checklist, lab);
  await checkCancelled(checklist, lab);
  if (!isShort) await checkRefused(checklist, lab);
  await checkSwept(checklist, lab);
}

async function checkManifest(checklist: Checklist, lab: Lab, { point, survives }: Deletion): Promise<void> {
  await checklist.check(`${lab.store.name}: kill -9 at ${point}`, async () => {
    const image = await freshImage();
    assert(await lab.push(image, 'gone'), 'the push fails without any fault');
    const path = `manifests/${image.manifest.digest}`;
    await lab.arm(point);
    lab.acknowledged.manifests.delete(image.manifest.digest);
    assertEqual(await lab.statusOf('DELETE', path), null, 'answer to the delete');
    await lab.restart();
    assertEqual((await lab.get(path)).status, survives ? 200 : 404, 'the manifest after the restart');
    assertEqual(await lab.statusOf('DELETE', path), survives ? 202 : 404, 'answer to the same delete again');
    await lab.checkAcknowledged();
  });
}

async function checkBlob(checklist: Checklist, lab: Lab, { point, survives }: Deletion): Promise<void> {
  await checklist.check(`${lab.store.name}: kill -9 at ${point}`, async () => {
    const bytes = randomBytes(70_000);
    const digest = sha256(bytes);
    await pushBlob(lab.target, { bytes, digest });
    await lab.arm(point);
    assertEqual(await lab.statusOf('DELETE', `blobs/${digest}`), null, 'answer to the delete');
    await lab.restart();
    assertEqual(
      (await lab.get(`blobs/${digest}`)).status,
      survives ? 200 : 404,
      'the blob after the restart',
    );
    const again = await lab.statusOf('DELETE', `blobs/${digest}`);
    assertEqual(again, survives ? 202 : 404, 'answer to the same delete again');
    await lab.checkAcknowledged();
  });
}

async function checkTag(checklist: Checklist, lab: Lab): Promise<void> {
  await checklist.check(`${lab.store.name}: kill -9 at tag.deleted`, async () => {
    const image = await freshImage();
    assert(await lab.push(image, 'untagged'), 'the push fails without any fault');
    await lab.arm('tag.deleted');
    assertEqual(await lab.statusOf('DELETE', 'manifests/untagged'), null, 'answer to the delete');
    await lab.restart();
    assertEqual(await lab.statusOf('GET', 'manifests/untagged'), 404, 'the tag after the restart');
    await lab.checkAcknowledged();
  });
}

async function checkCancelled(checklist: Checklist, lab: Lab): Promise<void> {
  await checklist.check(`${lab.store.name}: kill -9 at upload.discarded of a cancelled upload`, async () => {
    const location = await beginUpload(lab, randomBytes(9_000_000));
    await lab.arm('upload.discarded');
    assertEqual(await lab.statusOf('DELETE', location), null, 'answer to the cancel');
    await lab.restart();
    assertEqual(await lab.statusOf('GET', location), 404, 'the upload after the restart');
  });
}

async function checkRefused(checklist: Checklist, lab: Lab): Promise<void> {
  await checklist.check(`${lab.store.name}: kill -9 at upload.discarded of a wrong digest`, async () => {
    const bytes = randomBytes(9_000_000);
    const wrong = sha256(randomBytes(10));
    // An algorithm that nobody has announced: the object is finished before it is found to be wrong.
    const sha512 = `sha512:${'0'.repeat(128)}`;
    for (const digest of [wrong, sha512]) {
      const location = await beginUpload(lab, bytes);
      await lab.arm('upload.discarded');
      assertEqual(await lab.statusOf('PUT', `${location}?digest=${digest}`), null, 'answer to the end');
      await lab.restart();
      assertEqual((await lab.get(`blobs/${digest}`)).status, 404, 'the blob after the restart');
    }
  });
}

async function checkSwept(checklist: Checklist, lab: Lab): Promise<void> {
  await checklist.check(`${lab.store.name}: kill -9 at upload.swept`, async () => {
    await beginUpload(lab, randomBytes(9_000_000));
    await lab.expireUploads();
    await lab.platform.stop();
    // The sweep begins with the process, so it may not come to be ready.
    await lab.platform
      .launch({ SLUICE_FAULT_POINT: 'upload.swept', SLUICE_UPLOAD_SECONDS: '1' })
      .catch(() => undefined);
    await lab.restart();
    await lab.checkAcknowledged();
  });
}

/** An upload with one chunk; resolves with its path. */
async function beginUpload(lab: Lab, bytes: Buffer): Promise<string> {
  const start = await lab.request('POST', `/v2/${REPOSITORY}/blobs/uploads/`);
  const location = new URL(start.headers.get('location') ?? '', lab.platform.url);
  const patch = await fetch(location, {
    method: 'PATCH',
    headers: { authorization: AUTHORIZATION, 'content-type': 'application/octet-stream' },
    body: new Uint8Array(bytes),
  });
  assertEqual(patch.status, 202, 'answer to the chunk');
  return new URL(patch.headers.get('location') ?? '', lab.platform.url).pathname;
}
