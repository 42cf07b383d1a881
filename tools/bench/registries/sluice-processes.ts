import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Daemon } from '../../distributed/daemon.ts';
import { type PostgresServer, startPostgres } from '../../distributed/postgres.ts';
import { removeTree } from '../../distributed/remove-tree.ts';
import { ROOT } from '../../system/paths.ts';
import { freePort } from '../../system/platform.ts';
import type { Transport } from './registry.ts';
import { ADMIN_PASSWORD, NO_LIMITS, Sluice } from './sluice.ts';

/** One a core. */
const REGISTRIES = 2;

interface Parts {
  readonly directory: string;
  readonly postgres: PostgresServer;
  readonly registries: readonly Daemon[];
  readonly others: readonly Daemon[];
}

/**
 * Sluice as a platform team runs it on one machine of two cores: two processes of the registry that share a port, and
 * the api, the scanner and the signer as a process each, on an external PostgreSQL, with blobs in a directory.
 */
export class SluiceProcesses extends Sluice {
  readonly #parts: Parts;

  private constructor(port: number, apiPort: number, { tls }: Transport, parts: Parts) {
    super({ host: '127.0.0.1', port, certificate: tls?.pem ?? null }, `http://127.0.0.1:${apiPort}`);
    this.#parts = parts;
  }

  static async start(transport: Transport): Promise<SluiceProcesses> {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-bench-sluice-'));
    const postgres = await startPostgres();
    const [port, apiPort] = [await freePort(), await freePort()];
    const { tls } = transport;
    const shared = {
      ...NO_LIMITS,
      SLUICE_DATABASE_URL: postgres.url,
      SLUICE_BLOB_STORE: pathToFileURL(blobDirectory(directory)).href,
      SLUICE_PUBLIC_URL: `${tls === null ? 'http' : 'https'}://127.0.0.1:${port}`,
      SLUICE_TOKEN_KEY_FILE: tokenKey(directory),
      SLUICE_ADMIN_PASSWORD: ADMIN_PASSWORD,
    };
    const registry = {
      ...shared,
      SLUICE_PORT: String(port),
      SLUICE_REUSE_PORT: 'true',
      ...(tls === null
        ? {}
        : { SLUICE_TLS_CERT_FILE: tls.certificateFile, SLUICE_TLS_KEY_FILE: tls.keyFile }),
    };
    const launched: Daemon[] = [];
    try {
      // The first one brings the schema up to date; the others would only wait for it.
      launched.push(await launch('api', directory, { ...shared, SLUICE_PORT: String(apiPort) }));
      for (const app of ['scanner', 'signer']) {
        launched.push(await launch(app, directory, { ...shared, SLUICE_PORT: String(await freePort()) }));
      }
      for (let i = 0; i < REGISTRIES; i++) launched.push(await launch('registry', directory, registry));
    } catch (error) {
      await stopAll({ directory, postgres, registries: [], others: launched });
      throw error;
    }
    const registries = launched.filter(({ name }) => name === 'registry');
    const others = launched.filter(({ name }) => name !== 'registry');
    return new SluiceProcesses(port, apiPort, transport, { directory, postgres, registries, others });
  }

  servers(): readonly number[] {
    return this.#parts.registries.map(({ pid }) => pid);
  }

  processes(): readonly number[] {
    const { registries, others, postgres } = this.#parts;
    return [...registries, ...others, postgres.daemon].map(({ pid }) => pid);
  }

  async stop(): Promise<void> {
    await stopAll(this.#parts);
  }
}

async function launch(app: string, directory: string, settings: Record<string, string>): Promise<Daemon> {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'));
  const child = spawn(
    join(ROOT, 'node_modules', '.bin', 'node'),
    [join(ROOT, 'apps', app, 'dist', 'main.js')],
    {
      cwd: directory,
      env: { ...Object.fromEntries(others), ...settings },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  const daemon = new Daemon(app, child);
  // Asking the port would not tell: another process may share it.
  await daemon.until(() => daemon.output.includes('"process.ready"'));
  return daemon;
}

async function stopAll({ directory, postgres, registries, others }: Parts): Promise<void> {
  await Promise.all([...registries, ...others].map((daemon) => daemon.stop().catch(() => daemon.kill())));
  await postgres.stop();
  await removeTree(directory);
}

function blobDirectory(directory: string): string {
  const blobs = join(directory, 'blobs');
  mkdirSync(blobs);
  return blobs;
}

function tokenKey(directory: string): string {
  const file = join(directory, 'registry-tokens.pem');
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(file, privateKey.export({ format: 'pem', type: 'pkcs8' }), { mode: 0o600 });
  return file;
}
