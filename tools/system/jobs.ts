/**
 * `npm run test:jobs`: the contract of the dispatcher against a real Redis, then worker processes whose Redis and whose
 * selves are killed while they work. Afterwards every job has succeeded with one effect, none ran twice at once, and the
 * attempts are counted right.
 */
import { mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startPostgres } from '../distributed/postgres.ts';
import { removeTree } from '../distributed/remove-tree.ts';
import { assert, assertEqual, Checklist } from './checklist.ts';
import { Fleet, type FleetOptions } from './jobs/fleet.ts';
import { RedisProcess } from './jobs/redis-process.ts';
import { ROOT } from './paths.ts';
import { attempt, run } from './run.ts';

/** Specs that need a Redis and are skipped without. */
const SPECS = ['libs/adapters/jobs/src/bull', 'libs/adapters/redis', 'libs/adapters/rate-limits'];

const checklist = new Checklist('test:jobs');
const postgres = await startPostgres();
const redis = await RedisProcess.start();
const scratch = mkdtempSync(join(tmpdir(), 'sluice-jobs-'));
let scenarios = 0;

async function withFleet(
  body: (fleet: Fleet) => Promise<string>,
  more: Partial<FleetOptions> = {},
): Promise<string> {
  const fleet = await Fleet.open({
    databaseUrl: postgres.url,
    redisUrl: redis.url,
    prefix: `scenario-${(scenarios += 1)}`,
    ...more,
  });
  try {
    return await body(fleet);
  } finally {
    await fleet.close();
  }
}

/** What is read of Vitest's JSON report. */
interface SpecReport {
  readonly numTotalTests: number;
  readonly numPassedTests: number;
  readonly numPendingTests: number;
  readonly testResults: readonly {
    readonly message: string;
    readonly assertionResults: readonly {
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

async function runSpecs(): Promise<string> {
  const file = join(scratch, 'report.json');
  const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs');
  const outcome = await attempt(
    process.execPath,
    [vitest, 'run', ...SPECS, '--reporter=json', `--outputFile=${file}`],
    {
      cwd: ROOT,
      env: { ...process.env, SLUICE_TEST_REDIS_URL: redis.url },
    },
  );
  const report = JSON.parse(readFileSync(file, 'utf8')) as SpecReport;
  const failures = report.testResults.flatMap(({ message, assertionResults }) => [
    message,
    ...assertionResults.flatMap(({ fullName, failureMessages }) =>
      failureMessages.map((failure) => `${fullName}: ${failure.slice(0, 500)}`),
    ),
  ]);
  assertEqual(report.numPendingTests, 0, 'skipped specs');
  assert(
    outcome.code === 0 && report.numPassedTests === report.numTotalTests && report.numTotalTests > 0,
    `${report.numPassedTests} of ${report.numTotalTests} specs passed\n${failures.join('\n').trim().slice(0, 6000)}`,
  );
  return `${report.numPassedTests} specs, none skipped`;
}

/** A Redis that wants a password and speaks TLS only, with a certificate of its own. */
async function startSecured(password: string): Promise<{ server: RedisProcess; certificate: string }> {
  const [key, certificate] = [join(scratch, 'redis.key'), join(scratch, 'redis.crt')];
  const request = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost';
  const files = ['-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate];
  await run('openssl', [...request.split(' '), ...files]);
  const tls = ['--tls-cert-file', certificate, '--tls-key-file', key, '--tls-auth-clients', 'no'];
  const server = await RedisProcess.start((port) => {
    return ['--port', '0', '--tls-port', String(port), ...tls, '--requirepass', password];
  });
  return { server, certificate };
}

try {
  await checklist.check('the contract of the dispatcher and the specs that need a Redis', runSpecs);

  await checklist.check('jobs are spread over four workers by messages, without any poll', () =>
    withFleet(
      async (fleet) => {
        await fleet.addWorkers(4);
        await fleet.enqueue(240, 30);
        await fleet.untilDone(60_000);
        assertEqual(await fleet.busyWorkers(), 4, 'workers that ran something');
        return fleet.verify();
      },
      { pollSeconds: 600 },
    ),
  );

  await checklist.check('workers are killed (-9) in the middle of jobs', () =>
    withFleet(async (fleet) => {
      await fleet.addWorkers(4);
      await fleet.enqueue(240, 150);
      for (let kill = 0; kill < 4; kill += 1) {
        await sleep(500);
        await fleet.killWorker();
        await fleet.addWorker();
      }
      await fleet.untilDone(90_000);
      return fleet.verify();
    }),
  );

  await checklist.check('Redis is killed (-9) and comes back empty, twice', () =>
    withFleet(
      async (fleet) => {
        await fleet.addWorkers(3);
        await fleet.enqueue(150, 100);
        for (let round = 0; round < 2; round += 1) {
          await sleep(700);
          await redis.kill();
          await fleet.enqueue(60, 50, 'while-away');
          await sleep(round === 0 ? 0 : 3_000);
          await redis.launch();
        }
        await fleet.enqueue(60, 50, 'afterwards');
        await fleet.untilDone(60_000);
        assert(
          fleet.output.includes('lost:') && fleet.output.includes('back'),
          'no worker noticed the outages',
        );
        return fleet.verify();
      },
      { pollSeconds: 600 },
    ),
  );

  await checklist.check('while Redis hangs (SIGSTOP) jobs are accepted and worked on', () =>
    withFleet(
      async (fleet) => {
        await fleet.addWorkers(3);
        await fleet.enqueue(30, 20);
        await fleet.untilDone(30_000);
        redis.pause();
        try {
          await fleet.enqueue(60, 20, 'while-hanging');
          await fleet.untilDone(15_000);
          const slowest = await fleet.slowestStart();
          assert(slowest < 8, `the slowest job started ${slowest.toFixed(1)} s after it was queued`);
        } finally {
          redis.resume();
        }
        await fleet.enqueue(60, 20, 'afterwards');
        await fleet.untilDone(30_000);
        return `${await fleet.verify()}; slowest start ${(await fleet.slowestStart()).toFixed(1)} s`;
      },
      { pollSeconds: 600 },
    ),
  );

  await checklist.check('Redis and workers are killed at once, and nobody works for a while', () =>
    withFleet(async (fleet) => {
      await fleet.addWorkers(2);
      await fleet.enqueue(120, 100);
      await sleep(600);
      await redis.kill();
      await fleet.killWorker();
      await fleet.killWorker();
      await fleet.enqueue(60, 50, 'into-the-void');
      await redis.launch();
      await fleet.addWorkers(2);
      await fleet.untilDone(60_000);
      return fleet.verify();
    }),
  );

  await checklist.check('workers that never reach Redis work all the same', () =>
    withFleet(
      async (fleet) => {
        await fleet.addWorkers(2);
        await fleet.enqueue(60, 20);
        await fleet.untilDone(30_000);
        return fleet.verify();
      },
      { redisUrl: 'redis://127.0.0.1:1', pollSeconds: 600 },
    ),
  );

  await checklist.check('rediss:// with a password in the URL', async () => {
    const password = 'p@ss/word';
    const { server, certificate } = await startSecured(password);
    try {
      return await withFleet(
        async (fleet) => {
          await fleet.addWorkers(2);
          await fleet.enqueue(40, 10);
          await fleet.untilDone(30_000);
          assert(!fleet.output.includes('lost:'), `Redis was not reached:\n${fleet.output}`);
          return fleet.verify();
        },
        {
          redisUrl: `rediss://:${encodeURIComponent(password)}@localhost:${server.port}`,
          pollSeconds: 600,
          environment: { NODE_EXTRA_CA_CERTS: certificate },
        },
      );
    } finally {
      await server.remove();
    }
  });
} finally {
  await redis.remove();
  await postgres.stop();
  await removeTree(scratch);
}
checklist.finish();
