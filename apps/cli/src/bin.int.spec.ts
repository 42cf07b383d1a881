import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { EXIT } from './exit-codes.ts';
import { cliVersion } from './version.ts';

const BIN = fileURLToPath(new URL('../bin/sluice.mjs', import.meta.url));

/** The built command in a process of its own; `npm test` builds before it runs this. */
function sluice(...argv: string[]) {
  const environment = { PATH: process.env.PATH ?? '', HOME: '/nonexistent' };
  return spawnSync(process.execPath, [BIN, ...argv], { encoding: 'utf8', env: environment, input: '' });
}

describe('bin/sluice.mjs', () => {
  it('runs the built command and passes its exit code on', () => {
    expect(sluice('--version')).toMatchObject({
      status: EXIT.green,
      stdout: `${cliVersion()}\n`,
      stderr: '',
    });
    expect(sluice('nothing').status).toBe(EXIT.usage);
    expect(sluice('project', 'list', '--url', 'http://127.0.0.1:1').status).toBe(EXIT.unreachable);
  });
});
