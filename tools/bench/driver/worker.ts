import { threadCpuUsage } from 'node:process';
import { parentPort } from 'node:worker_threads';
import type { Outcome, Task } from './messages.ts';
import { largeCommit } from './large-commit.ts';
import { mixed } from './mixed.ts';
import { pushBlobs } from './push-blobs.ts';
import { pushImages } from './push-images.ts';
import { repeat } from './repeat.ts';

function carryOut(task: Task): Promise<Outcome> {
  switch (task.kind) {
    case 'repeat':
      return repeat(task);
    case 'push-blobs':
      return pushBlobs(task);
    case 'push-images':
      return pushImages(task);
    case 'mixed':
      return mixed(task);
    case 'large-commit':
      return largeCommit(task);
  }
}

parentPort?.on('message', (task: Task) => {
  const before = threadCpuUsage();
  carryOut(task).then(
    (outcome) => {
      const { user, system } = threadCpuUsage(before);
      parentPort?.postMessage({ outcome, cpuSeconds: (user + system) / 1e6 });
    },
    (error: unknown) => parentPort?.postMessage({ error: `${task.kind}: ${String(error)}` }),
  );
});
