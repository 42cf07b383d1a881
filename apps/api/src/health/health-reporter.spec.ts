import type { AdvisorySource, AdvisoryStore, JobFigures, JobStatistics } from '@sluice/database';
import { Health } from '@sluice/platform';
import { describe, expect, it } from 'vitest';
import { type HealthCheck, HealthReporter } from './health-reporter.ts';

const NOW = new Date('2026-11-21T12:00:00Z');
const IDLE: JobFigures = { due: 0, running: 0, failedLastDay: 0, oldestDueSeconds: null };

async function report(given: {
  sources?: readonly AdvisorySource[];
  jobs?: Partial<JobFigures>;
  failing?: string;
}) {
  const health = new Health();
  health.add({
    name: 'database',
    check: async () => {
      if (given.failing !== undefined) throw new Error(given.failing);
    },
  });
  const reporter = new HealthReporter(
    {
      health,
      advisories: { sources: async () => given.sources ?? [] } as unknown as AdvisoryStore,
      jobs: { read: async () => ({ ...IDLE, ...given.jobs }) } as JobStatistics,
      version: '1.2.3',
    },
    () => NOW,
  );
  const { checks, ...rest } = await reporter.report();
  const byName: Record<string, HealthCheck> = Object.fromEntries(checks.map((check) => [check.name, check]));
  return { ...rest, byName };
}

function imported(daysAgo: number): AdvisorySource {
  const importedAt = new Date(NOW.getTime() - daysAgo * 86_400_000);
  return { ecosystem: 'npm', records: 10, newest: null, importedAt };
}

describe('the health report', () => {
  it('is ok when everything works and the data is fresh', async () => {
    expect(await report({ sources: [imported(7)] })).toMatchObject({
      status: 'ok',
      version: '1.2.3',
      byName: {
        database: { status: 'ok', fix: null },
        'advisory-data': { status: 'ok', message: '10 records of 1 ecosystems, last imported 7 d ago' },
        workers: { status: 'ok' },
        queue: { status: 'ok' },
      },
    });
  });

  it('warns when there is no advisory data, or only old', async () => {
    for (const sources of [[], [imported(9)]]) {
      const { byName } = await report({ sources });
      expect(byName['advisory-data']).toMatchObject({ status: 'warn' });
      expect(byName['advisory-data']?.fix).toContain('sluice db import');
    }
    expect((await report({ sources: [imported(9), imported(1)] })).status).toBe('ok');
  });

  it('fails when jobs wait and none runs, and only warns while some run', async () => {
    const sources = [imported(0)];
    const idle = await report({ sources, jobs: { due: 3, oldestDueSeconds: 61 } });
    expect(idle).toMatchObject({ status: 'fail', byName: { workers: { status: 'fail' } } });
    const busy = await report({ sources, jobs: { due: 3, running: 1, oldestDueSeconds: 301 } });
    const byName = { workers: { status: 'ok' }, queue: { status: 'warn' } };
    expect(busy).toMatchObject({ status: 'warn', byName });
    expect((await report({ sources, jobs: { due: 3, oldestDueSeconds: 59 } })).status).toBe('ok');
    expect((await report({ sources, jobs: { failedLastDay: 1 } })).status).toBe('warn');
  });

  it('says what is wrong with the database instead of asking it for the rest', async () => {
    const found = await report({ failing: 'connection refused', jobs: { failedLastDay: 1 } });
    expect(found).toMatchObject({
      status: 'fail',
      byName: { database: { status: 'fail', message: 'connection refused' } },
    });
    expect(found.byName['queue']).toBeUndefined();
  });
});
