import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RegistryClient } from '@sluice/registry-client';
import { type FakeRegistry, startFakeRegistry } from '@sluice/registry-client/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../exit-codes.ts';
import { generateKeyPair } from '../sign/index.ts';
import { runCli } from '../testing/run-cli.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

describe('sluice sign', () => {
  let directory: string;
  let registry: FakeRegistry;
  let key: string;

  async function sign(reference: string, environment: Record<string, string> = {}) {
    return runCli(['sign', '--key', key, '-o', 'json', reference], {
      environment: { HOME: directory, COSIGN_PASSWORD: 'key-password', ...environment },
    });
  }

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-sign-'));
    key = join(directory, 'cosign.key');
    writeFileSync(key, (await generateKeyPair('key-password')).privateKey);
    registry = await startFakeRegistry({
      authentication: 'bearer',
      users: { ada: 'ada-password', token: 'slc_pat_x' },
    });
    const credentials = { username: 'ada', password: 'ada-password' };
    const client = new RegistryClient({ registry: registry.host, credentials });
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST, layers: [] }));
    await client.putManifest('team/app', '1', { bytes, mediaType: MANIFEST });
  });
  afterAll(async () => {
    await registry.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it('takes the credentials of its own environment or login for its own server', async () => {
    const environment = { SLUICE_URL: `http://${registry.host}`, SLUICE_TOKEN: 'slc_pat_x' };
    const { exitCode, stdout, stderr } = await sign('team/app:1', environment);
    expect(exitCode, stderr).toBe(EXIT.green);
    expect(JSON.parse(stdout)).toMatchObject({
      registry: registry.host,
      repository: 'team/app',
      signatures: [
        { format: 'legacy', isNew: true },
        { format: 'bundle', isNew: true },
      ],
    });
  });

  it('sends them to no other registry; there it takes those of docker', async () => {
    const environment = { SLUICE_URL: 'http://127.0.0.1:1', SLUICE_TOKEN: 'slc_pat_x' };
    registry.requests.length = 0;
    expect((await sign(`${registry.host}/team/app:1`, environment)).exitCode).toBe(EXIT.unauthenticated);
    expect(registry.requests.some(({ authorization }) => authorization?.startsWith('Basic'))).toBe(false);
    mkdirSync(join(directory, '.docker'));
    const auth = Buffer.from('ada:ada-password').toString('base64');
    writeFileSync(
      join(directory, '.docker', 'config.json'),
      JSON.stringify({ auths: { [registry.host]: { auth } } }),
    );
    const signed = await sign(`${registry.host}/team/app:1`, environment);
    expect(signed.exitCode, signed.stderr).toBe(EXIT.green);
    expect(JSON.parse(signed.stdout).signatures[0].isNew).toBe(false);
  });

  it('ends with the code that says what was wrong', async () => {
    const environment = { SLUICE_URL: `http://${registry.host}`, SLUICE_TOKEN: 'slc_pat_x' };
    expect((await sign('team/app:none', environment)).exitCode).toBe(EXIT.notFound);
    expect((await sign('Team/App', environment)).exitCode).toBe(EXIT.usage);
    expect((await sign('team/app:1', { ...environment, COSIGN_PASSWORD: 'wrong' })).exitCode).toBe(
      EXIT.usage,
    );
    expect((await sign('127.0.0.1:1/team/app:1')).exitCode).toBe(EXIT.unreachable);
    const none = await runCli(['sign', '--key', join(directory, 'none'), 'team/app:1'], { environment });
    expect(none.exitCode).toBe(EXIT.usage);
  });
});
