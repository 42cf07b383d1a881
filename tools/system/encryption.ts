/**
 * `npm run test:encryption`: blobs encrypted in a directory and in S3 (versitygw). The process is killed (SIGKILL) at the
 * named points of a push; after the restart everything that was acknowledged hashes right and every object has its
 * envelope. Then the key is rotated and the old one destroyed, and starts without a needed key are refused.
 *
 * `npm run test:encryption -- --short` keeps one point of each kind.
 */
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  activateKey,
  addKey,
  destroyKey,
  type KeyFileContent,
  writeKeyFile,
} from '@sluice/blob-storage/encrypted';
import { assert, assertEqual, Checklist } from './checklist.ts';
import { freshImage, Lab } from './faults/lab.ts';
import { checkPushes } from './faults/pushes.ts';
import { openDirectory, openS3, type Store } from './faults/stores.ts';
import { runSql } from './platform-sql.ts';

interface KeysView {
  readonly keys: readonly { readonly id: string; readonly state: string; readonly objects: number }[];
}

const JOB_WAIT_SECONDS = 30;
const isShort = process.argv.includes('--short');
const checklist = new Checklist('test:encryption');

for (const open of [openDirectory, openS3]) {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-encryption-'));
  const keyFile = join(directory, 'keys.json');
  const keys = addKey({ keys: [] }, 'first');
  await writeKeyFile(keyFile, keys);
  const store = encrypted(await open(), keyFile);
  try {
    const lab = await Lab.open(store);
    try {
      await checkPushes(checklist, lab, isShort);
      await checklist.check(`${store.name}: what the crashes have left is swept`, () => lab.checkOrphans());
      await checklist.check(`${store.name}: every object has its envelope and no other has one`, () =>
        checkEnvelopes(lab),
      );
      if (open === openDirectory) {
        await checklist.check(`${store.name}: every file is encrypted`, () => checkFiles(lab));
      }
      const rotated = await checkRotation(checklist, lab, keyFile, keys);
      await checkStarts(checklist, lab, keyFile, rotated);
    } finally {
      await lab.platform.remove();
    }
  } finally {
    await store.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}
checklist.finish();

function encrypted(store: Store, keyFile: string): Store {
  return {
    ...store,
    name: `${store.name}, encrypted`,
    environment: { ...store.environment, SLUICE_ENCRYPTION_KEY_FILE: keyFile },
  };
}

async function checkEnvelopes(lab: Lab): Promise<string> {
  const of = async (column: string, table: string): Promise<string[]> =>
    (await runSql<{ key: string }>(lab.platform, `SELECT ${column} AS key FROM ${table} ORDER BY 1`)).map(
      ({ key }) => key,
    );
  const blobs = await of('object_key', 'blob');
  assert(blobs.length > 0, 'there are no blobs');
  assertEqual(await of('object_key', 'object_key_envelope'), blobs, 'objects with an envelope');
  return `${blobs.length} objects`;
}

async function checkFiles(lab: Lab): Promise<string> {
  const { objects } = await lab.store.contents(lab.platform);
  for (const key of objects) {
    const path = join(lab.platform.directory, 'data', 'blobs', 'blobs', key);
    assertEqual(readFileSync(path).subarray(0, 6).toString(), 'SLUICE', `beginning of ${key}`);
  }
  return `${objects.length} files`;
}

async function restart(lab: Lab, keyFile: string, keys: KeyFileContent): Promise<void> {
  await writeKeyFile(keyFile, keys);
  await lab.platform.stop();
  await lab.platform.launch();
}

async function objectsUnder(lab: Lab): Promise<Record<string, number>> {
  const { body } = await lab.platform.api<KeysView>('GET', '/storage/keys');
  return Object.fromEntries(body.keys.map(({ id, objects }) => [id, objects]));
}

/** As docs/operations.md says. Returns the keys at the end. */
async function checkRotation(
  checklist: Checklist,
  lab: Lab,
  keyFile: string,
  first: KeyFileContent,
): Promise<KeyFileContent> {
  const added = addKey(first, 'second');
  const active = activateKey(added, 'second');
  const destroyed = destroyKey(active, 'first');
  await checklist.check(`${lab.store.name}: the key is rotated and the old one destroyed`, async () => {
    await restart(lab, keyFile, added);
    await restart(lab, keyFile, active);
    const before = (await objectsUnder(lab))['first'] ?? 0;
    assert(await lab.push(await freshImage(), 'rotated'), 'a push under the new key fails');
    const { body } = await lab.platform.api<{ id: string }>('POST', '/storage/rewraps', undefined, {
      expect: 202,
    });
    const job = await lab.platform.api<{ state: string; progress: { done: number } }>(
      'GET',
      `/jobs/${body.id}?wait=${JOB_WAIT_SECONDS}`,
    );
    assertEqual([job.body.state, job.body.progress.done], ['succeeded', before], 'job');
    const under = await objectsUnder(lab);
    assertEqual(under['first'], 0, 'objects under the old key');
    await restart(lab, keyFile, destroyed);
    await lab.checkAcknowledged();
    return `${before} data keys rewrapped, ${lab.acknowledged.blobs.size} acknowledged blobs whole`;
  });
  return destroyed;
}

async function checkStarts(
  checklist: Checklist,
  lab: Lab,
  keyFile: string,
  keys: KeyFileContent,
): Promise<void> {
  const refused = async (says: string): Promise<void> => {
    const message = await lab.platform.launch().then(
      () => 'it started',
      (error: Error) => error.message,
    );
    assert(message.includes(says), `the start says: ${message.slice(-500)}`);
  };
  await checklist.check(
    `${lab.store.name}: a start without a needed key is refused, and says so`,
    async () => {
      await lab.platform.stop();
      chmodSync(keyFile, 0o644);
      await refused('can be used by others (mode 0644)');
      await writeKeyFile(keyFile, addKey({ keys: [] }, 'other'));
      await refused('stored content is encrypted under "second", which the key file does not have');
      await writeKeyFile(keyFile, keys);
      await lab.platform.launch();
      await lab.checkAcknowledged();
    },
  );
}
