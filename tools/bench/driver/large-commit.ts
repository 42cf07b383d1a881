import { createHash } from 'node:crypto';
import { Connection } from './connection.ts';
import type { LargeCommitTask, Outcome } from './messages.ts';
import { finishUpload, octets, startUpload, targetOf } from './push-blobs.ts';
import { expectStatus, headOf, onConnections } from './request.ts';

const BLOCK_BYTES = 4 * 1_048_576;

/** The time of the last, empty PUT of a very large upload. What came before it is not counted. */
export async function largeCommit(task: LargeCommitTask): Promise<Outcome> {
  const connection = await Connection.open(task.endpoint);
  let seconds = Number.NaN;
  await onConnections([connection], async () => {
    const hash = createHash('sha256');
    const zeros = Buffer.alloc(BLOCK_BYTES);
    function* blocks(): Iterable<Buffer> {
      for (let sent = 0; sent < task.sizeBytes; sent += BLOCK_BYTES) {
        const block = zeros.subarray(0, Math.min(BLOCK_BYTES, task.sizeBytes - sent));
        hash.update(block);
        yield block;
      }
    }
    const location = await startUpload(connection, task, task);
    const patch = headOf(task.endpoint, 'PATCH', location, octets(task.fields), task.sizeBytes);
    const patched = expectStatus(await connection.stream(patch, blocks()), 202, 'PATCH');
    const digest = `sha256:${hash.digest('hex')}`;
    const startedAt = performance.now();
    await finishUpload(connection, task, task.fields, targetOf(patched.head), digest);
    seconds = (performance.now() - startedAt) / 1_000;
  });
  return { seconds, operations: 1, bytes: task.sizeBytes };
}
