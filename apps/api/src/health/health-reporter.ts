import type { AdvisoryStore, JobStatistics } from '@sluice/database';
import type { Health } from '@sluice/platform';

export interface HealthCheck {
  readonly name: string;
  readonly status: 'ok' | 'warn' | 'fail';
  readonly message: string;
  /** What to do about it, null when there is nothing to do. */
  readonly fix: string | null;
}

export interface HealthReport {
  /** The worst of the checks. */
  readonly status: HealthCheck['status'];
  readonly version: string;
  readonly checks: readonly HealthCheck[];
}

const ADVISORY_AGE_LIMIT_DAYS = 7;
/** A dispatcher takes a due job within seconds. */
const NOBODY_WORKS_SECONDS = 60;
const BEHIND_SECONDS = 300;
const DAY_MS = 86_400_000;

/** What an administrator asks first when something is wrong: can it serve, is its data fresh, does its work get done. */
export class HealthReporter {
  readonly #health: Health;
  readonly #advisories: AdvisoryStore;
  readonly #jobs: JobStatistics;
  readonly #version: string;
  readonly #now: () => Date;

  constructor(
    parts: { health: Health; advisories: AdvisoryStore; jobs: JobStatistics; version: string },
    now: () => Date = () => new Date(),
  ) {
    this.#health = parts.health;
    this.#advisories = parts.advisories;
    this.#jobs = parts.jobs;
    this.#version = parts.version;
    this.#now = now;
  }

  async report(): Promise<HealthReport> {
    const { checks: readiness } = await this.#health.readiness();
    const checks: HealthCheck[] = readiness.map(({ name, ok, reason }) => ({
      name,
      status: ok ? 'ok' : 'fail',
      message: ok ? 'works' : (reason ?? 'does not work'),
      fix: ok ? null : 'the log of the server says more',
    }));
    // Both ask the database; what is wrong with it stands above already.
    const isReadable = readiness.every((check) => check.ok);
    if (isReadable) checks.push(await this.#advisoryCheck(), ...(await this.#workChecks()));
    return { status: worst(checks), version: this.#version, checks };
  }

  async #advisoryCheck(): Promise<HealthCheck> {
    const name = 'advisory-data';
    const sources = await this.#advisories.sources();
    const times = sources.flatMap(({ importedAt }) => (importedAt === null ? [] : [importedAt.getTime()]));
    if (times.length === 0) {
      return {
        name,
        status: 'warn',
        message: 'no advisory data was ever loaded: scans find no vulnerabilities, and pulls only warn',
        fix: 'load OSV files with `sluice db import`',
      };
    }
    const days = Math.floor((this.#now().getTime() - Math.max(...times)) / DAY_MS);
    const records = sources.reduce((sum, source) => sum + source.records, 0);
    const isOld = days > ADVISORY_AGE_LIMIT_DAYS;
    return {
      name,
      status: isOld ? 'warn' : 'ok',
      message: `${records} records of ${sources.length} ecosystems, last imported ${days === 0 ? 'today' : `${days} d ago`}`,
      fix: isOld ? 'load newer OSV files with `sluice db import`' : null,
    };
  }

  async #workChecks(): Promise<HealthCheck[]> {
    const { due, running, failedLastDay, oldestDueSeconds } = await this.#jobs.read();
    const waited = Math.round(oldestDueSeconds ?? 0);
    const isIdle = waited > NOBODY_WORKS_SECONDS && running === 0;
    const isBehind = waited > BEHIND_SECONDS;
    return [
      {
        name: 'workers',
        status: isIdle ? 'fail' : 'ok',
        message: isIdle
          ? `${due} jobs wait, the oldest for ${waited} s, and none runs`
          : `${running} jobs run`,
        fix: isIdle ? 'start workers; SLUICE_SCANNER_CONCURRENCY 0 stops scanning' : null,
      },
      {
        name: 'queue',
        status: isBehind || failedLastDay > 0 ? 'warn' : 'ok',
        message: `${due} jobs wait${isBehind ? `, the oldest for ${waited} s` : ''}; ${failedLastDay} failed in 24 h`,
        fix:
          failedLastDay > 0
            ? 'see `sluice jobs list --state failed`'
            : isBehind
              ? 'add workers, or wait until the backlog is done'
              : null,
      },
    ];
  }
}

function worst(checks: readonly HealthCheck[]): HealthCheck['status'] {
  if (checks.some((check) => check.status === 'fail')) return 'fail';
  return checks.some((check) => check.status === 'warn') ? 'warn' : 'ok';
}
