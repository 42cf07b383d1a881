import {
  closeSync,
  constants,
  fdatasyncSync,
  fsyncSync,
  linkSync,
  openSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
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
 * Nothing is at `to` before everything is on the disk, and it is there for ever when this returns. An object that is there
 * is never replaced, however late this comes.
 */
function store({ temporary, to, content }: ToStore): void {
  withFile(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, (file) => {
    for (let at = 0; at < content.length;) at += writeSync(file, content, at, content.length - at, at);
    fdatasyncSync(file);
  });
  try {
    linkSync(temporary, to);
  } finally {
    unlinkSync(temporary);
  }
  withFile(dirname(to), constants.O_RDONLY, fsyncSync);
}

function withFile(path: string, flags: number, work: (file: number) => void): void {
  const file = openSync(path, flags, 0o640);
  try {
    work(file);
  } finally {
    closeSync(file);
  }
}
