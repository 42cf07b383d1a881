import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource } from 'typeorm';
import type { Notifications } from '../ports/notifications.ts';
import { type Forgotten, ReadCoherence } from '../ports/read-coherence.ts';
import { queryRows } from './sql.ts';

/** Triggers of migration 14 tell here what to forget; processes ask here whether they were all heard. */
const CHANNEL = 'sluice_reads';
const ANSWER_CHANNEL = 'sluice_reads_heard';

/**
 * A process may answer from memory this long after it last proved that it is listening, by its own clock. Its row lives
 * longer than that, by the clock of the database, so that whoever waits for the row has waited for the process.
 */
const LEASE_MS = 2_000;
const ROW_MS = 2_500;
const RENEW_MS = 500;

export interface ReadCoherenceOptions {
  /** False for a process that answers nothing from memory and only wants to {@link ReadCoherence.settle}. */
  readonly isReader: boolean;
  readonly onError: (error: unknown) => void;
}

interface Wait {
  /** Readers that have not been heard of. */
  readonly open: Set<string>;
  readonly resolve: () => void;
}

/**
 * Leases for reads, by notifications. PostgreSQL delivers those in the order of the commits, so a process that has
 * heard a question on the channel has heard all that was committed before it was asked.
 */
export class PostgresReadCoherence extends ReadCoherence {
  readonly #source: DataSource;
  readonly #notifications: Notifications;
  readonly #options: ReadCoherenceOptions;
  readonly #id = randomUUID();
  readonly #handlers: ((forgotten: Forgotten) => void)[] = [];
  readonly #waits = new Map<string, Wait>();
  #questions = 0;
  #generation = 0;
  #assuredUntil = 0;
  #renewal: NodeJS.Timeout | null = null;
  #renewing: Promise<void> | null = null;
  #closed = false;
  /** The settlement that has not asked yet: whoever comes before it asks may share it. */
  #next: Promise<void> | null = null;
  #running: Promise<void> = Promise.resolve();

  private constructor(source: DataSource, notifications: Notifications, options: ReadCoherenceOptions) {
    super();
    this.#source = source;
    this.#notifications = notifications;
    this.#options = options;
  }

  /** Begins to listen, and for a reader to hold a lease. */
  static async open(
    source: DataSource,
    notifications: Notifications,
    options: ReadCoherenceOptions,
  ): Promise<PostgresReadCoherence> {
    const coherence = new PostgresReadCoherence(source, notifications, options);
    await notifications.subscribe(CHANNEL, (payload) => coherence.#hear(payload));
    await notifications.subscribe(ANSWER_CHANNEL, (payload) => coherence.#heard(payload));
    if (options.isReader) {
      await coherence.#renew();
      coherence.#renewal = setInterval(() => void coherence.#renew(), RENEW_MS).unref();
    }
    return coherence;
  }

  get isAssured(): boolean {
    return performance.now() < this.#assuredUntil;
  }

  get generation(): number {
    return this.#generation;
  }

  onForget(handler: (forgotten: Forgotten) => void): void {
    this.#handlers.push(handler);
  }

  settle(): Promise<void> {
    this.#next ??= this.#running.then(() => {
      this.#next = null;
      this.#running = this.#ask().catch(async (error: unknown) => {
        this.#options.onError(error);
        // Who may be answering from memory is not known, so it takes as long as any lease.
        await sleep(ROW_MS);
      });
      return this.#running;
    });
    return this.#next;
  }

  async close(): Promise<void> {
    if (this.#renewal !== null) clearInterval(this.#renewal);
    this.#closed = true;
    this.#assuredUntil = 0;
    // A renewal under way may still write the row, which everybody would wait for.
    await this.#renewing;
    if (!this.#options.isReader) return;
    await this.#source.query('DELETE FROM reader WHERE id = $1', [this.#id]).catch(() => undefined);
  }

  #renew(): Promise<void> {
    this.#renewing ??= this.#extendLease().finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  /**
   * The lease begins before anything is asked for it. Whoever hears nothing does not write its row, which everybody
   * would wait for; and it goes by the row only when it has heard all that was settled without it.
   */
  async #extendLease(): Promise<void> {
    try {
      const since = performance.now();
      if (!(await this.#notifications.flush())) return;
      await this.#source.query(
        `INSERT INTO reader (id, expires_at) VALUES ($1, clock_timestamp() + $2 * interval '1 millisecond')
         ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at`,
        [this.#id, ROW_MS],
      );
      if ((await this.#notifications.flush()) && !this.#closed) this.#assuredUntil = since + LEASE_MS;
    } catch (error) {
      this.#options.onError(error);
    }
  }

  /** Reads who may be answering from memory, after the caller's commit, and waits until each has heard or has ended. */
  async #ask(): Promise<void> {
    const readers = await queryRows<{ id: string; remaining: number }>(
      this.#source,
      `SELECT id, extract(epoch FROM expires_at - clock_timestamp())::float8 * 1000 AS remaining
       FROM reader WHERE expires_at > clock_timestamp()`,
      [],
    );
    if (readers.length === 0) return;
    const question = `${this.#id}:${++this.#questions}`;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waits.set(question, { open: new Set(readers.map(({ id }) => id)), resolve });
    // A row that the clock of the database was set back under lasts longer than any lease.
    const longest = Math.min(Math.max(...readers.map(({ remaining }) => remaining)), ROW_MS);
    const timer = setTimeout(resolve, longest);
    // A question that cannot be sent is waited for like one that nobody answers.
    await this.#notifications.send(CHANNEL, `heard?${question}`);
    await promise;
    clearTimeout(timer);
    const unheard = this.#waits.get(question)?.open ?? new Set();
    this.#waits.delete(question);
    if (unheard.size > 0) await this.#removeEnded([...unheard]);
  }

  /** Of the unheard also the rows that no lease can have any more, whatever the clock of the database has said. */
  async #removeEnded(unheard: readonly string[]): Promise<void> {
    await this.#source.query(
      `DELETE FROM reader WHERE expires_at < clock_timestamp()
         OR (id = ANY ($1::uuid[]) AND expires_at > clock_timestamp() + $2 * interval '1 millisecond')`,
      [unheard, ROW_MS],
    );
  }

  #hear(payload: string | null): void {
    if (payload?.startsWith('heard?')) {
      if (!this.#options.isReader) return;
      const question = payload.slice('heard?'.length);
      if (question.startsWith(`${this.#id}:`)) this.#heard(`${question}:${this.#id}`);
      else void this.#notifications.send(ANSWER_CHANNEL, `${question}:${this.#id}`);
      return;
    }
    this.#generation += 1;
    const forgotten = parseForgotten(payload);
    for (const handler of this.#handlers) handler(forgotten);
  }

  /** An answer is the question with the id of the reader behind it. */
  #heard(payload: string | null): void {
    if (payload === null) return;
    const at = payload.lastIndexOf(':');
    const wait = this.#waits.get(payload.slice(0, at));
    wait?.open.delete(payload.slice(at + 1));
    if (wait?.open.size === 0) wait.resolve();
  }
}

/** Null after a lost connection, when anything may have been missed; so is what a newer version may say. */
function parseForgotten(payload: string | null): Forgotten {
  const [kind, id] = payload?.split(':') ?? [];
  return (kind === 'repository' || kind === 'principal') && id !== undefined
    ? { kind, id }
    : { kind: 'everything' };
}
