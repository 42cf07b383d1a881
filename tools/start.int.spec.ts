import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
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
    // A place of its own for the same script, so that nobody's settings and data are touched.
    directory = mkdtempSync(join(tmpdir(), 'sluice-start-'));
    copyFileSync(join(ROOT, 'package.json'), join(directory, 'package.json'));
    symlinkSync(join(ROOT, 'tools'), join(directory, 'tools'));
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
    const outside = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'));
    npm = spawn('npm', ['start'], {
      cwd: directory,
      env: { ...Object.fromEntries(outside), SLUICE_PORT: String(port) },
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
    const cluster = join(directory, '.sluice', 'postgres', 'cluster');
    expect(existsSync(join(cluster, 'PG_VERSION'))).toBe(true);
    expect(existsSync(join(cluster, 'postmaster.pid')), 'its database runs').toBe(false);
  }, 90_000);
});
