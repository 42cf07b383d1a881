import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from './system/paths.ts';
import { freePort } from './system/platform.ts';

describe('npm start', () => {
  let directory: string;
  let npm: ChildProcess;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-start-'));
  });
  afterAll(async () => {
    // There is nothing to signal unless the test has failed.
    while (signalGroup('SIGTERM')) await sleep(500);
    rmSync(directory, { recursive: true, force: true });
  });

  /** Whether anything is left of what npm has started. */
  function signalGroup(signal: NodeJS.Signals): boolean {
    try {
      return process.kill(-(npm.pid ?? Number.NaN), signal);
    } catch {
      return false;
    }
  }

  it('says where it is ready, and stops all of it with exit code 0 when npm is told to stop (SIGTERM)', async () => {
    const port = await freePort();
    const data = join(directory, 'data');
    npm = spawn('npm', ['start'], {
      cwd: ROOT,
      env: { ...process.env, SLUICE_PORT: String(port), SLUICE_DATA_DIR: data },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    let printed = '';
    npm.stdout?.setEncoding('utf8').on('data', (text: string) => (printed += text));
    await expect
      .poll(() => printed, { timeout: 60_000 })
      .toContain(`Sluice is ready: http://127.0.0.1:${port}`);
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
    const ended = once(npm, 'exit');
    npm.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(printed).toContain('"process.stopped"');
    await expect(fetch(`http://127.0.0.1:${port}/readyz`)).rejects.toThrow();
    expect(existsSync(join(data, 'postgres', 'cluster', 'postmaster.pid')), 'its database has stopped').toBe(
      false,
    );
  }, 90_000);
});
