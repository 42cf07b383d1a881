import { describe, expect, it } from 'vitest';
import { EXIT } from './exit-codes.ts';
import { runCli } from './testing/run-cli.ts';

describe('the command line', () => {
  it('prints help on stdout and ends with 0 when it is asked for', async () => {
    for (const argv of [['--help'], ['verdict', '--help'], ['project', 'create', '-h'], ['help', 'db']]) {
      const { exitCode, stdout, stderr } = await runCli(argv);
      expect({ argv, exitCode, stderr }).toEqual({ argv, exitCode: EXIT.green, stderr: '' });
      expect(stdout).toContain('Usage: sluice');
    }
  });

  it('prints its version', async () => {
    expect((await runCli(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    expect(JSON.parse((await runCli(['version', '-o', 'json'])).stdout)).toMatchObject({
      node: process.versions.node,
    });
  });

  it.each([
    [[]],
    [['nothing']],
    [['verdict']],
    [['verdict', 'a', 'b']],
    [['verdict', '--fail-on', 'green', 'a']],
    [['verdict', '--wait=soon', 'a']],
    [['project']],
    [['project', 'create', 'a', '--visibility', 'secret']],
    [['robot', 'create', 'a', 'b', '--role', 'king']],
    [['robot', 'create', 'a', 'b', '--expires-in', '0']],
    [['grant', 'add', 'a', 'b', 'king']],
    [['-o', 'xml', 'version']],
    [['jobs', 'list', '--limit', '0']],
    [['sign', 'a']],
  ])('ends with 2 for %j, and says why on stderr', async (argv) => {
    const { exitCode, stdout, stderr } = await runCli(argv);
    expect({ exitCode, stdout }).toEqual({ exitCode: EXIT.usage, stdout: '' });
    expect(stderr).not.toBe('');
  });

  it('suggests the command that was meant', async () => {
    expect((await runCli(['verdit', 'a'])).stderr).toContain('verdict');
  });

  it('tells a failure as one JSON document with -o json', async () => {
    for (const argv of [
      ['-o', 'json', 'verdict'],
      ['verdict', 'a', '-ojson'],
      ['verdict', 'a', '--output=json'],
    ]) {
      const { exitCode, stdout, stderr } = await runCli(argv);
      expect({ exitCode, stdout }).toEqual({ exitCode: EXIT.usage, stdout: '' });
      expect(JSON.parse(stderr)).toMatchObject({ type: 'urn:sluice:problem:cli', exitCode: EXIT.usage });
    }
  });

  it('says how to begin when no server is known', async () => {
    const { exitCode, stderr } = await runCli(['project', 'list']);
    expect(exitCode).toBe(EXIT.usage);
    expect(stderr).toContain('sluice login');
  });

  it('ends with 11 when nothing listens at the server', async () => {
    const { exitCode, stderr } = await runCli(['project', 'list'], {
      environment: { SLUICE_URL: 'http://127.0.0.1:1' },
    });
    expect(exitCode).toBe(EXIT.unreachable);
    expect(stderr).toContain('http://127.0.0.1:1');
  });

  it('never asks anything without a terminal', async () => {
    const { exitCode, stderr } = await runCli(['login', 'http://127.0.0.1:1', '-u', 'admin']);
    expect(exitCode).toBe(EXIT.usage);
    expect(stderr).toContain('--password-stdin');
  });
});
