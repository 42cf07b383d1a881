import type { Certificate } from '../../lib/certificate.ts';
import type { Endpoint } from '../driver/connection.ts';

export type Action = 'pull' | 'push';

/** A registry under measurement, running on this machine. */
export interface Registry {
  /** `Sluice`, `distribution`, `zot` */
  readonly name: string;
  readonly endpoint: Endpoint;
  /** Processes that serve `/v2` at this moment; their children count as theirs. */
  servers(): readonly number[];
  /** Everything that works for it, the database included. */
  processes(): readonly number[];
  /** Value of the Authorization header, good for a few minutes. */
  authorization(repositories: readonly string[], actions: readonly Action[]): Promise<string>;
  /** Resolves when everything below `bench/` may be pushed to. */
  prepare(): Promise<void>;
  /** Resolves when what was pushed can be pulled. */
  settle(repository: string, reference: string): Promise<void>;
  /** Resolves when nothing is left to do of what was asked for before, so that it does not burden whoever comes next. */
  rest(): Promise<void>;
  stop(): Promise<void>;
}

export interface Transport {
  /** Of the server; null for plain HTTP. */
  readonly tls: Certificate | null;
}

/** Everything is pushed below this path, which is a project of Sluice. */
export const PROJECT = 'bench';

/** Asks `probe` until it says yes. @throws Error after the deadline */
export async function eventually(
  what: string,
  seconds: number,
  probe: () => Promise<boolean>,
): Promise<void> {
  const deadline = Date.now() + seconds * 1_000;
  while (!(await probe().catch(() => false))) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
