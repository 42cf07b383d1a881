import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { apiSettings, startApi } from '@sluice/api';
import { createTestDatabase, type TestDatabase } from '@sluice/database/testing';
import { createLogger, type Settings } from '@sluice/platform';
import { registrySettings, startRegistry } from '@sluice/registry';
import { loadProcessConfig, type RunningProcess } from '@sluice/runtime';
import { scannerProcessSettings, startScanner } from '@sluice/scanner';
import { signerSettings, startSigner } from '@sluice/signer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const LOGGER = createLogger('error', { write: () => undefined });

interface App {
  readonly settings: Settings;
  start(environment: Record<string, string>, directory: string): Promise<RunningProcess>;
}

/** The apps as their `main.ts` starts them, but for the signals. */
const APPS: Readonly<Record<string, App>> = {
  registry: {
    settings: registrySettings,
    start: (environment, directory) =>
      startRegistry(loadProcessConfig(registrySettings, environment, directory), LOGGER),
  },
  api: {
    settings: apiSettings,
    start: (environment, directory) =>
      startApi(loadProcessConfig(apiSettings, environment, directory), LOGGER),
  },
  scanner: {
    settings: scannerProcessSettings,
    start: (environment, directory) =>
      startScanner(loadProcessConfig(scannerProcessSettings, environment, directory), LOGGER),
  },
  signer: {
    settings: signerSettings,
    start: (environment, directory) =>
      startSigner(loadProcessConfig(signerSettings, environment, directory), LOGGER),
  },
};

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sluice-processes-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

describe('separate processes on one empty database', () => {
  let database: TestDatabase;
  const running: { readonly name: string; readonly url: string; readonly process: RunningProcess }[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    await database.source.query('DROP SCHEMA public CASCADE');
    await database.source.query('CREATE SCHEMA public');
    const environment = environmentOf(database);
    const names = ['registry', 'registry', 'api', 'api', 'scanner', 'signer'];
    running.push(
      ...(await Promise.all(
        names.map(async (name) => {
          const port = String(await freePort());
          const started = await APPS[name]?.start({ ...environment, SLUICE_PORT: port }, directory);
          if (started === undefined) throw new Error(`there is no app ${name}`);
          return { name, url: `http://127.0.0.1:${port}`, process: started };
        }),
      )),
    );
  });
  afterAll(async () => {
    await Promise.all(running.map(({ process }) => process.stop()));
    await database.close();
  });

  const urlOf = (name: string): string => running.find((each) => each.name === name)?.url ?? '';
  const statuses = (path: string): Promise<number[]> =>
    Promise.all(running.map(async ({ url }) => (await fetch(url + path)).status));

  it('all come up when they start at once, and each says how it is', async () => {
    expect(await statuses('/readyz')).toEqual([200, 200, 200, 200, 200, 200]);
    expect(await statuses('/livez')).toEqual([200, 200, 200, 200, 200, 200]);
    expect(await (await fetch(`${urlOf('signer')}/metrics`)).text()).toMatch(/^process_cpu_seconds_total/m);
  });

  it('make one administrator and one default policy', async () => {
    const count = async (table: string): Promise<number> => {
      const rows: unknown = await database.source.query(`SELECT count(*)::int AS count FROM ${table}`);
      return (rows as { count: number }[])[0]?.count ?? 0;
    };
    expect([await count('principal'), await count('policy')]).toEqual([1, 1]);
  });

  it('do their own work and nothing else', async () => {
    expect(await statuses('/v2/')).toEqual([401, 401, 404, 404, 404, 404]);
    expect(await statuses('/api/v1/projects')).toEqual([404, 404, 200, 200, 404, 404]);
  });

  it('are one service, whose tokens are made where the client has come', async () => {
    for (const { url } of running.slice(0, 2)) {
      const challenge = (await fetch(`${url}/v2/`)).headers.get('www-authenticate');
      expect(challenge).toBe(`Bearer realm="${url}/service/token",service="sluice.test"`);
    }
  });
});

describe('the settings of a separate process', () => {
  function faultsOf(name: string, environment: Record<string, string>): string {
    try {
      loadProcessConfig(APPS[name]?.settings ?? {}, environment, directory);
      return 'none';
    } catch (error) {
      return (error as Error).message;
    }
  }

  it.each(['registry', 'api', 'scanner', 'signer'])(
    'must name the database and the blob storage that it shares: %s',
    (name) => {
      const faults = faultsOf(name, {});
      expect(faults).toMatch(/SLUICE_DATABASE_URL: expected postgres:.*no database of its own/);
      expect(faults).toMatch(/SLUICE_BLOB_STORE: expected s3:.*the same for all processes/);
    },
  );

  it.each(['registry', 'api'])('must name the public URL and the key of tokens: %s', (name) => {
    const faults = faultsOf(name, {});
    expect(faults).toMatch(/SLUICE_PUBLIC_URL: expected the URL/);
    expect(faults).toMatch(/SLUICE_TOKEN_KEY_FILE: expected the file/);
  });

  it('may hold those of other processes, but none that no process knows', () => {
    const environment = {
      SLUICE_DATABASE_URL: 'postgres://db/sluice',
      SLUICE_BLOB_STORE: 'file:///srv/blobs',
      SLUICE_GATE_HOLD_SECONDS: '3',
    };
    expect(faultsOf('scanner', environment)).toBe('none');
    expect(faultsOf('scanner', { ...environment, SLUICE_SCANER_CONCURRENCY: '3' })).toMatch(
      /unknown setting; did you mean SLUICE_SCANNER_CONCURRENCY\?/,
    );
  });
});

describe('a replica without the key of registry tokens', () => {
  it('does not make one of its own, and says how one is made', async () => {
    await using database = await createTestDatabase();
    const environment = {
      ...environmentOf(database),
      SLUICE_PORT: '0',
      SLUICE_TOKEN_KEY_FILE: join(directory, 'missing.pem'),
    };
    await expect(APPS['registry']?.start(environment, directory)).rejects.toThrow(
      /missing\.pem does not exist: make it once, for all replicas, with `openssl genpkey/,
    );
  });
});

function environmentOf(database: TestDatabase): Record<string, string> {
  const key = join(directory, 'tokens.pem');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(key, privateKey.export({ format: 'pem', type: 'pkcs8' }));
  return {
    SLUICE_DATABASE_URL: database.url,
    SLUICE_BLOB_STORE: pathToFileURL(join(directory, 'blobs')).href,
    SLUICE_PUBLIC_URL: 'https://sluice.test',
    SLUICE_TOKEN_KEY_FILE: key,
    SLUICE_ADMIN_PASSWORD: 'a-good-password',
  };
}

function freePort(): Promise<number> {
  const probe = createServer();
  return new Promise((resolve, reject) => {
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
