import { randomUUID } from 'node:crypto';
import { Redis, type RedisOptions } from 'ioredis';
import { parseRedisPrefix, parseRedisUrl } from './redis-url.ts';

/** Where Redis is, and what of it is this installation's. */
export interface RedisPlace {
  readonly url: string;
  /** Begins every key, so that installations can share one Redis. `sluice` unless said. */
  readonly prefix?: string;
}

export interface RedisLinkSettings extends RedisPlace {
  /** What the keys are for, such as `jobs`; who shares it must act alike when Redis was emptied. */
  readonly purpose: string;
  /** How long a command may take before Redis counts as lost. */
  readonly commandTimeoutMs?: number;
  readonly checkIntervalMs?: number;
}

export interface RedisArrival {
  /** After an outage that was told. */
  readonly isReturn: boolean;
  /** Redis had none of these keys: it is new, was started again, or somebody flushed it. Only one process is told so. */
  readonly isEmpty: boolean;
}

export interface RedisLinkListener {
  /** Redis can be used; also told when it could be before and is empty now. */
  readonly onUp?: (arrival: RedisArrival) => void;
  /** Once per outage, with its cause. */
  readonly onDown?: (cause: Error) => void;
}

/** Checks that must fail in turn before a connection that looks open is given up: it may lead nowhere any more. */
const FAILED_CHECKS = 3;

/**
 * Connections to one Redis, and the knowledge whether it can be used now. Nothing here waits for Redis: while it is
 * away every command fails at once, and after `commandTimeoutMs` when it hangs.
 */
export class RedisLink {
  /** Of every key: that of the installation with the purpose. */
  readonly prefix: string;
  /** For commands that end soon; they fail while Redis is away. */
  readonly commands: Redis;
  readonly #options: RedisOptions;
  readonly #listener: RedisLinkListener;
  readonly #connections = new Set<Redis>();
  readonly #timer: NodeJS.Timeout;
  #state: 'unknown' | 'up' | 'down' = 'unknown';
  #failedChecks = 0;
  /** A connection is being given up; closing it takes a while when nobody answers. */
  #isLeaving = false;
  #checking: Promise<void> | null = null;
  #lastError: Error = new Error('Redis has not answered yet');
  #isClosed = false;

  /** @throws RedisSettingsError for a wrong URL or prefix; an unreachable Redis is no error */
  constructor(settings: RedisLinkSettings, listener: RedisLinkListener = {}) {
    this.prefix = `${parseRedisPrefix(settings.prefix ?? 'sluice')}:${settings.purpose}`;
    this.#listener = listener;
    this.#options = {
      ...parseRedisUrl(settings.url),
      connectTimeout: 5_000,
      keepAlive: 10_000,
      // Bull wants both for connections that block; nothing may give up on its own.
      maxRetriesPerRequest: null,
      enableReadyCheck: false,
      retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 6), 2_000),
      // After a fail-over the old primary refuses writes.
      reconnectOnError: (error) => error.message.startsWith('READONLY'),
    };
    this.commands = new Redis({
      ...this.#options,
      enableOfflineQueue: false,
      commandTimeout: settings.commandTimeoutMs ?? 2_000,
    });
    this.commands.on('error', (error: Error) => (this.#lastError = error));
    this.commands.on('ready', () => void this.check());
    this.commands.on('close', () => {
      this.#isLeaving = false;
      this.#down(this.#lastError);
    });
    this.#timer = setInterval(() => void this.check(), settings.checkIntervalMs ?? 1_000).unref();
  }

  get isUp(): boolean {
    return this.#state === 'up';
  }

  /** Resolves as soon as Redis can be used: true, or false after the time given. */
  async untilUp(timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (!this.isUp && !this.#isClosed && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return this.isUp;
  }

  /** A further connection, for commands that block and for subscriptions. It is closed with the link. */
  connect(): Redis {
    const connection = new Redis(this.#options);
    // The link itself finds out and tells.
    connection.on('error', () => undefined);
    connection.setMaxListeners(0);
    this.#connections.add(connection);
    return connection;
  }

  /** For whoever met a failed command: finds out at once whether Redis is away. */
  check(): Promise<void> {
    return (this.#checking ??= this.#check().finally(() => (this.#checking = null)));
  }

  close(): void {
    this.#isClosed = true;
    this.#state = 'down';
    clearInterval(this.#timer);
    for (const connection of [this.commands, ...this.#connections]) connection.disconnect();
  }

  async #check(): Promise<void> {
    if (this.#isClosed) return;
    try {
      // Whoever finds the mark missing writes it, and only that one.
      const written = await this.commands.set(`${this.prefix}:mark`, randomUUID(), 'NX');
      this.#up(written === 'OK');
    } catch (error) {
      const cause = error instanceof Error ? error : new Error(String(error));
      this.#failedChecks += 1;
      this.#down(this.commands.status === 'ready' ? cause : this.#lastError);
      if (this.#failedChecks >= FAILED_CHECKS && this.commands.status === 'ready' && !this.#isLeaving) {
        this.#isLeaving = true;
        this.#failedChecks = 0;
        this.commands.disconnect(true);
      }
    }
  }

  #up(isEmpty: boolean): void {
    this.#failedChecks = 0;
    if (this.#isClosed || (this.isUp && !isEmpty)) return;
    const isReturn = this.#state === 'down';
    this.#state = 'up';
    // They may hang on a connection that leads nowhere any more.
    if (isReturn) for (const connection of this.#connections) connection.disconnect(true);
    this.#listener.onUp?.({ isReturn, isEmpty });
  }

  #down(cause: Error): void {
    if (this.#isClosed || this.#state === 'down') return;
    this.#state = 'down';
    this.#listener.onDown?.(cause);
  }
}
