/**
 * `npm run start:distributed`: Sluice as separate processes on external PostgreSQL, Redis and S3, with one address in
 * front of them. Runs until Ctrl-C; its data go with it. `--help` says what can be chosen.
 */
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { installTools } from '../system/install.ts';
import type { AppName } from './app-process.ts';
import { Deployment, type DeploymentOptions } from './deployment.ts';

const HELP = `npm run start:distributed -- [options]

  --port <port>       of the one address; 0 takes a free one (default 8080)
  --registries <n>    replicas of the registry (default 2)
  --apis <n>          replicas of the API (default 1)
  --scanners <n>      replicas of the scanner (default 1)
  --signers <n>       replicas of the signer (default 1)
  --storage s3|fs     an S3 server, or a directory that all processes share (default s3)
  --no-redis          dispatch jobs by the database alone

SLUICE_… variables are passed on to all processes, except those that the deployment sets itself.`;

/** What the deployment decides; from outside these would take its processes apart. */
const OWN_SETTINGS = new Set(
  [
    'HOST',
    'PORT',
    'REUSE_PORT',
    'PUBLIC_URL',
    'DATABASE_URL',
    'REDIS_URL',
    'BLOB_STORE',
    'TOKEN_KEY_FILE',
    'ADMIN_PASSWORD',
  ].map((name) => `SLUICE_${name}`),
);

async function main(): Promise<void> {
  const chosen = choices(process.argv.slice(2));
  if (chosen === null) {
    console.log(HELP);
    return;
  }
  const given = process.env['SLUICE_ADMIN_PASSWORD'];
  const adminPassword = given ?? randomBytes(18).toString('base64url');
  const stopRequested = signalled();
  await installTools([
    'postgresql-15',
    ...(chosen.redis ? ['redis-server'] : []),
    ...(chosen.storage === 's3' ? ['versitygw'] : []),
  ]);
  const deployment = await Deployment.start({
    ...chosen,
    adminPassword,
    environment: passedOn(process.env),
    onStep: (step) => console.error(`sluice: ${step}`),
  });
  try {
    console.log(welcome(deployment, given === undefined ? adminPassword : null));
    await stopRequested;
    console.error('sluice: stopping: running requests may finish');
  } finally {
    await deployment.stop();
  }
  console.error('sluice: stopped; its data are removed');
}

function choices(
  args: readonly string[],
): Pick<DeploymentOptions, 'replicas' | 'storage' | 'redis' | 'port'> | null {
  const { values } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      port: { type: 'string', default: '8080' },
      registries: { type: 'string', default: '2' },
      apis: { type: 'string', default: '1' },
      scanners: { type: 'string', default: '1' },
      signers: { type: 'string', default: '1' },
      storage: { type: 'string', default: 's3' },
      'no-redis': { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const { storage } = values;
  if (storage !== 's3' && storage !== 'fs') throw new TypeError(`--storage is s3 or fs, not ${storage}`);
  return {
    replicas: {
      registry: whole('--registries', values.registries, 1, 16),
      api: whole('--apis', values.apis, 1, 16),
      scanner: whole('--scanners', values.scanners, 0, 16),
      signer: whole('--signers', values.signers, 0, 16),
    },
    storage,
    redis: !values['no-redis'],
    port: whole('--port', values.port, 0, 65_535),
  };
}

function whole(option: string, text: string, minimum: number, maximum: number): number {
  const number = Number(text);
  if (Number.isInteger(number) && number >= minimum && number <= maximum) return number;
  throw new TypeError(`${option} is a whole number from ${minimum} to ${maximum}, not ${text}`);
}

function passedOn(environment: NodeJS.ProcessEnv): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (name.startsWith('SLUICE_') && !OWN_SETTINGS.has(name) && value !== undefined) passed[name] = value;
  }
  return passed;
}

function welcome(deployment: Deployment, password: string | null): string {
  const { url } = deployment;
  const lines = ['', `Sluice is ready: ${url}   (Ctrl-C stops it and removes its data)`];
  const { postgres, redis } = deployment;
  for (const { name, pid } of [postgres.daemon, ...(redis === null ? [] : [redis.daemon])]) {
    lines.push(`  ${name.padEnd(12)} process ${pid}`);
  }
  for (const name of ['registry', 'api', 'scanner', 'signer'] as const satisfies readonly AppName[]) {
    for (const each of deployment.processes(name)) {
      lines.push(`  ${name.padEnd(12)} process ${each.pid}   ${each.url}`);
    }
  }
  if (password !== null) lines.push(`First admin: admin / ${password}   (shown once; keep it)`);
  lines.push(`Next: npx sluice login ${url} -u admin`);
  lines.push(`  or: SLUICE_PASSWORD=… npm run demo -- --url ${url}`, '');
  return lines.join('\n');
}

/**
 * Resolves at the first SIGINT or SIGTERM; one that comes a second later ends everything at once. `npm` and the script
 * before this one may pass on a signal that this process gets by itself.
 */
function signalled(): Promise<void> {
  return new Promise((resolve) => {
    let askedAt: number | null = null;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        askedAt ??= performance.now();
        resolve();
        if (performance.now() - askedAt > 1_000) process.exit(1);
      });
    }
  });
}

try {
  await main();
} catch (error) {
  console.error(`sluice: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
