import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AppProcess } from '../../distributed/app-process.ts';
import type { Runner } from './graph.ts';

/** Size of the image that every client pushes while a replica is killed. */
export const LARGE_BYTES = 24 * 1024 * 1024;

/** Requests under way at a replica that is killed. */
export const BUSY_UPLOADS = 3;

const DEADLINE_MS = 60_000;

/** Fills a directory for an image: a package of which no advisory is known, and bytes that compress no further. */
export function writeFiles(directory: string, bytes: number): void {
  const packages = join(directory, 'node_modules', 'ms');
  mkdirSync(packages, { recursive: true });
  writeFileSync(join(packages, 'package.json'), '{"name":"ms","version":"2.1.3"}');
  writeFileSync(join(directory, 'data.bin'), randomBytes(bytes));
}

/** How many clients push the large image at the same time. */
export function countPushing(runners: readonly Runner[]): number {
  return runners.filter(({ cells }) => cells['large, replica killed'] !== undefined).length;
}

/** `kill -9` of a replica as soon as it is busy with several uploads. */
export async function killAmongPushes(replica: AppProcess, onKill: () => void): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const uploads = await countUploads(replica.url);
    if (uploads >= BUSY_UPLOADS) {
      onKill();
      await replica.kill();
      console.log(`kill  ${replica.name} at ${replica.url}, with ${uploads} requests under way`);
      return;
    }
    if (Date.now() > deadline) throw new Error('no replica was ever busy with several uploads');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Requests that the replica is answering, without the one that asks. */
async function countUploads(url: string): Promise<number> {
  // A connection that lay idle may end just as it is used again; then the next look counts.
  const metrics = await fetch(`${url}/metrics`).then(
    (answer) => answer.text(),
    () => '',
  );
  return Number(/^sluice_http_inflight_requests (\d+)$/m.exec(metrics)?.[1] ?? 0) - 1;
}
