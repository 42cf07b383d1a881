import { setTimeout as sleep } from 'node:timers/promises';
import type { JobRequest, Notifications, Outbox, OutboxEvent } from '@sluice/database';
import { RelayPace } from './relay-pace.ts';

/** What work follows from an event. May look things up; must answer the same work for the same event. */
export type EventSubscriber = (event: OutboxEvent) => readonly JobRequest[] | Promise<readonly JobRequest[]>;

export interface OutboxRelayOptions {
  readonly batchSize?: number;
  /** The net under the notifications. */
  readonly pollSeconds?: number;
  /** Relayed events are forgotten after this time; readers of the event stream can resume for as long. */
  readonly keepRelayedSeconds?: number;
  /** Told of faults of the database and of subscribers that threw, with the event. */
  readonly onError?: (error: unknown, event: OutboxEvent | null) => void;
}

const PRUNE_INTERVAL_MS = 600_000;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 300_000;

/**
 * Turns events into jobs: every event of the outbox reaches every subscriber, and the jobs they answer are written
 * in the transaction that marks the event relayed. So an event is never lost and its work is queued once, whatever
 * dies in between. Any number of relays may run.
 *
 * A subscriber that throws holds up its own event and no other; it is tried again with growing delays.
 */
export class OutboxRelay {
  readonly #outbox: Outbox;
  readonly #notifications: Notifications;
  readonly #subscribers: readonly EventSubscriber[];
  readonly #options: Required<OutboxRelayOptions>;
  /** Events whose subscriber threw: how often, and when they are tried again. */
  readonly #failing = new Map<number, { failures: number; notBefore: number }>();
  readonly #pace = new RelayPace();
  #unsubscribe: () => Promise<void> = async () => undefined;
  #running = false;
  #round: Promise<void> | null = null;
  #again = false;
  #wakeUp: NodeJS.Timeout | null = null;
  #lastPrune: number | null = null;

  constructor(
    outbox: Outbox,
    notifications: Notifications,
    subscribers: readonly EventSubscriber[],
    options: OutboxRelayOptions = {},
  ) {
    this.#outbox = outbox;
    this.#notifications = notifications;
    this.#subscribers = subscribers;
    this.#options = {
      batchSize: options.batchSize ?? 100,
      pollSeconds: options.pollSeconds ?? 10,
      keepRelayedSeconds: options.keepRelayedSeconds ?? 7 * 86_400,
      onError: options.onError ?? (() => undefined),
    };
  }

  async start(): Promise<void> {
    this.#running = true;
    this.#unsubscribe = await this.#notifications.subscribe('sluice_outbox', () => this.#wake());
    this.#wake();
  }

  /** Finishes the pass that is under way. */
  async stop(): Promise<void> {
    this.#running = false;
    if (this.#wakeUp !== null) clearTimeout(this.#wakeUp);
    await this.#unsubscribe();
    await this.#round;
  }

  #wake(): void {
    if (!this.#running) return;
    this.#again = true;
    this.#round ??= this.#drain().finally(() => {
      this.#round = null;
      if (this.#again) this.#wake();
    });
  }

  async #drain(): Promise<void> {
    if (this.#wakeUp !== null) clearTimeout(this.#wakeUp);
    try {
      while (this.#again && this.#running) {
        const waitMs = this.#pace.waitOf(performance.now());
        if (waitMs > 0) await sleep(waitMs);
        if (!this.#running) break;
        this.#again = false;
        const pass = await this.#outbox.relay(this.#options.batchSize, this.#resting(), (event) =>
          this.#jobsFor(event),
        );
        for (const { event, error } of pass.failed) this.#rememberFailure(event, error);
        // Of every event that is written meanwhile there is a notification.
        if (pass.isFull) {
          this.#again = true;
          this.#pace.hurry();
        }
      }
      await this.#prune();
    } catch (error) {
      this.#again = false;
      this.#options.onError(error, null);
      this.#sleep(RETRY_MIN_MS);
      return;
    }
    // What is due was tried in this pass, or another relay has it: only what comes due later is worth waking for.
    const retries = [...this.#failing.values()].map(({ notBefore }) => notBefore - Date.now() + 1);
    this.#sleep(Math.min(this.#options.pollSeconds * 1000, ...retries.filter((wait) => wait > 0)));
  }

  async #jobsFor(event: OutboxEvent): Promise<JobRequest[]> {
    const answers = await Promise.all(this.#subscribers.map(async (subscriber) => subscriber(event)));
    this.#failing.delete(event.seq);
    return answers.flat();
  }

  #rememberFailure(event: OutboxEvent, error: unknown): void {
    const failures = (this.#failing.get(event.seq)?.failures ?? 0) + 1;
    const delay = Math.min(RETRY_MIN_MS * 2 ** (failures - 1), RETRY_MAX_MS);
    this.#failing.set(event.seq, { failures, notBefore: Date.now() + delay });
    this.#options.onError(error, event);
  }

  #resting(): number[] {
    const now = Date.now();
    return [...this.#failing].filter(([, { notBefore }]) => notBefore > now).map(([seq]) => seq);
  }

  #sleep(milliseconds: number): void {
    if (this.#running) this.#wakeUp = setTimeout(() => this.#wake(), milliseconds);
  }

  async #prune(): Promise<void> {
    const now = performance.now();
    if (this.#lastPrune !== null && now - this.#lastPrune < PRUNE_INTERVAL_MS) return;
    this.#lastPrune = now;
    await this.#outbox.prune(this.#options.keepRelayedSeconds);
  }
}
