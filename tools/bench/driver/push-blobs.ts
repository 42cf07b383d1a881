import { createHash, randomBytes } from 'node:crypto';
import { Connection, headerOf } from './connection.ts';
import type { Fields, Outcome, PushBlobsTask } from './messages.ts';
import { expectStatus, headOf, onConnections } from './request.ts';

const BLOCK_BYTES = 1_048_576;

/** Every client pushes one large blob of its own, as docker and crane do: POST, one streamed PATCH, PUT. */
export async function pushBlobs(task: PushBlobsTask): Promise<Outcome> {
  const blobs = task.clients.map(() => freshBlob(task.sizeBytes));
  const connections = await Promise.all(task.clients.map(() => Connection.open(task.endpoint)));
  const startedAt = performance.now();
  await onConnections(connections, async (connection, index) => {
    const [client, blob] = [task.clients[index], blobs[index]];
    if (client === undefined || blob === undefined) return;
    const { endpoint, sizeBytes } = task;
    const location = await startUpload(connection, task, client);
    const patch = headOf(endpoint, 'PATCH', location, octets(client.fields), sizeBytes);
    const patched = expectStatus(await connection.stream(patch, blob.blocks()), 202, 'PATCH');
    await finishUpload(connection, task, client.fields, targetOf(patched.head), blob.digest);
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  return { seconds, operations: blobs.length, bytes: blobs.length * task.sizeBytes };
}

interface FreshBlob {
  readonly digest: string;
  /** Every block is the same memory, written over. */
  blocks(): Iterable<Buffer>;
}

/** Only a counter differs from block to block: making fresh random bytes would cost more than pushing them. */
function freshBlob(sizeBytes: number): FreshBlob {
  const block = randomBytes(BLOCK_BYTES);
  function* blocks(): Iterable<Buffer> {
    for (let sent = 0; sent < sizeBytes; sent += BLOCK_BYTES) {
      block.writeUInt32BE(sent / BLOCK_BYTES, 0);
      yield sent + BLOCK_BYTES <= sizeBytes ? block : block.subarray(0, sizeBytes - sent);
    }
  }
  const hash = createHash('sha256');
  for (const each of blocks()) hash.update(each);
  return { digest: `sha256:${hash.digest('hex')}`, blocks };
}

export async function startUpload(
  connection: Connection,
  { endpoint }: Pick<PushBlobsTask, 'endpoint'>,
  { repository, fields }: { readonly repository: string; readonly fields: Fields },
): Promise<string> {
  const head = headOf(endpoint, 'POST', `/v2/${repository}/blobs/uploads/`, fields, 0);
  return targetOf(expectStatus(await connection.exchange(head), 202, 'POST').head);
}

export async function finishUpload(
  connection: Connection,
  { endpoint }: Pick<PushBlobsTask, 'endpoint'>,
  fields: Fields,
  location: string,
  digest: string,
  body?: Uint8Array,
): Promise<void> {
  const target = `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`;
  const head = headOf(endpoint, 'PUT', target, octets(fields), body?.length ?? 0);
  expectStatus(await connection.exchange(head, body), 201, 'PUT');
}

/** Path and query of a Location, which may be absolute. */
export function targetOf(head: string): string {
  const location = headerOf(head, 'location');
  if (location === null) throw new Error(`an upload without Location:\n${head}`);
  return location.replace(/^https?:\/\/[^/]+/, '');
}

export function octets(fields: Fields): Fields {
  return { ...fields, 'content-type': 'application/octet-stream' };
}
