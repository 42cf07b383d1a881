import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it, onTestFinished } from 'vitest';
import { EXIT } from './start-error.ts';

const SOURCE = new URL('./', import.meta.url);

/** Starts at once, and takes some time to stop. */
function program(stopMs: number, start = `return { greeting: 'up', stop: () => sleep(${stopMs}) };`): string {
  return `
    import { setTimeout as sleep } from 'node:timers/promises';
    import { processSettings } from '@sluice/platform';
    import { runProcess } from '${new URL('run-process.ts', SOURCE).href}';
    import { StartError } from '${new URL('start-error.ts', SOURCE).href}';
    setInterval(() => {}, 1_000);
    await runProcess(processSettings, async (config, logger) => { ${start} });
  `;
}

interface Run {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<number | null>;
}

function run(source: string, environment: Record<string, string> = {}): Run {
  const child = spawn(
    process.execPath,
    ['--conditions=@sluice/source', '--input-type=module', '-e', source],
    // The packages are found from here; what is run reads no `sluice.yaml` of anybody.
    { cwd: new URL('..', SOURCE), env: { PATH: process.env['PATH'], TMPDIR: tmpdir(), ...environment } },
  );
  onTestFinished(() => void child.kill('SIGKILL'));
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (said += String(chunk)));
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  return { child, output: () => said, ended };
}

async function started(source: string): Promise<Run> {
  const running = run(source);
  await expect.poll(running.output).toContain('up\n');
  return running;
}

describe('a process', () => {
  it('stops in good order at SIGTERM and says so', async () => {
    const { child, ended, output } = await started(program(100));
    child.kill('SIGTERM');
    expect(await ended).toBe(EXIT.ok);
    expect(output()).toMatch(/"event":"process\.stopping","signal":"SIGTERM"[^]*"event":"process\.stopped"/);
  });

  it('takes the signal of a group and the same one passed on by a parent for one', async () => {
    const { child, ended, output } = await started(program(500));
    child.kill('SIGTERM');
    await sleep(100);
    child.kill('SIGTERM');
    expect(await ended).toBe(EXIT.ok);
    expect(output()).toContain('process.stopped');
  });

  it('ends at once when it is told again later', async () => {
    const { child, ended, output } = await started(program(60_000));
    child.kill('SIGINT');
    await sleep(1_300);
    child.kill('SIGINT');
    expect(await ended).toBe(EXIT.internal);
    expect(output()).not.toContain('process.stopped');
  });

  it('ends with the documented code and one line when it cannot start', async () => {
    const failing = run(program(0, `throw new StartError('the port is taken');`));
    expect(await failing.ended).toBe(EXIT.environment);
    expect(failing.output()).toBe('sluice: the port is taken\n');
    const misconfigured = run(program(0), { SLUICE_DRAIN_SECOND: '3' });
    expect(await misconfigured.ended).toBe(EXIT.configuration);
    expect(misconfigured.output()).toMatch(/^sluice: .*\n.*did you mean SLUICE_DRAIN_SECONDS\?\n$/);
  });

  it('ends with a fault of the program, and shows where it was', async () => {
    const faulty = run(program(0, `throw new TypeError('a mistake');`));
    expect(await faulty.ended).toBe(EXIT.internal);
    expect(faulty.output()).toMatch(/TypeError: a mistake\n\s+at /);
  });
});
