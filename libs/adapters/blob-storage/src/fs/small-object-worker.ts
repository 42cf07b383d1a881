import { closeSync, constants, fsyncSync, linkSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { parentPort } from 'node:worker_threads';
import type { Stored, ToStore } from './small-objects.ts';

if (parentPort === null) throw new Error('this file runs in a worker thread only');
const port = parentPort;

port.on('message', (order: ToStore) => {
  let answer: Stored = { id: order.id, failure: null };
  try {
    store(order);
  } catch (error) {
    const { code = 'EIO', message } = error as NodeJS.ErrnoException;
    answer = { id: order.id, failure: { code, message } };
  }
  port.postMessage(answer);
});

/**
 * The object is at `to` for ever when this returns. One that is there is never replaced, however late this comes.
 *
 * It is synced in its place, so that journalling file systems write down the file and its names in one commit. Until
 * then nobody claims that it is there.
 */
function store({ temporary, to, content }: ToStore): void {
  withFile(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, (file) => {
    try {
      for (let at = 0; at < content.length;) at += writeSync(file, content, at, content.length - at, at);
      linkSync(temporary, to);
    } finally {
      unlinkSync(temporary);
    }
    undoing(to, () => fsyncSync(file));
  });
  undoing(to, () => withFile(dirname(to), constants.O_RDONLY, fsyncSync));
}

/** What could not be made durable must not be taken for an object by the next attempt. */
function undoing(path: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    unlinkSync(path);
    throw error;
  }
}

function withFile(path: string, flags: number, work: (file: number) => void): void {
  const file = openSync(path, flags, 0o640);
  try {
    work(file);
  } finally {
    closeSync(file);
  }
}
