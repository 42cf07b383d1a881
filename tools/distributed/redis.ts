import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../system/platform.ts';
import { Daemon } from './daemon.ts';
import { removeTree } from './remove-tree.ts';

const PROGRAM = '/usr/bin/redis-server';

export interface RedisServer {
  /** `redis://127.0.0.1:<port>` */
  readonly url: string;
  readonly daemon: Daemon;
  stop(): Promise<void>;
}

/** Starts a Redis that keeps nothing on disk: Sluice loses nothing with it. */
export async function startRedis(): Promise<RedisServer> {
  if (!existsSync(PROGRAM)) throw new Error('Redis is needed: install the Debian package redis-server');
  const directory = mkdtempSync(join(tmpdir(), 'sluice-redis-'));
  const port = await freePort();
  const child = spawn(
    PROGRAM,
    ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', directory],
    { detached: true, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  const daemon = new Daemon('redis-server', child);
  await daemon.until(() => daemon.output.includes('Ready to accept connections'));
  return {
    url: `redis://127.0.0.1:${port}`,
    daemon,
    stop: async () => {
      await daemon.stop();
      await removeTree(directory);
    },
  };
}
