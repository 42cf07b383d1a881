import pg from 'pg';
import { type NotificationHandler, Notifications } from '../ports/notifications.ts';

const RECONNECT_MIN_MS = 200;
const RECONNECT_MAX_MS = 5_000;
/** A connection that a firewall dropped without a word is found out by asking it something. */
const PROBE_INTERVAL_MS = 15_000;

export interface NotificationOptions {
  readonly url: string;
  /** Told of every lost connection; it is being re-established when this is called. */
  readonly onError?: (error: unknown) => void;
}

/** LISTEN on one connection of its own for all channels of the process; survives the loss of that connection. */
export class PostgresNotifications extends Notifications {
  readonly #options: NotificationOptions;
  readonly #handlers = new Map<string, Set<NotificationHandler>>();
  #client: pg.Client | null = null;
  #reconnect: NodeJS.Timeout | null = null;
  #probe: NodeJS.Timeout | null = null;
  #connected = false;
  #failures = 0;
  #closed = false;

  constructor(options: NotificationOptions) {
    super();
    this.#options = options;
  }

  async subscribe(channel: string, handler: NotificationHandler): Promise<() => Promise<void>> {
    if (this.#closed) throw new Error('notifications are closed');
    const handlers = this.#handlers.get(channel) ?? new Set();
    this.#handlers.set(channel, handlers.add(handler));
    // While it connects, the client queues the statement.
    if (this.#client !== null) await this.#run(this.#client, `LISTEN ${pg.escapeIdentifier(channel)}`);
    else if (this.#reconnect === null) await this.#connect();
    return async () => {
      handlers.delete(handler);
      if (handlers.size > 0 || this.#handlers.get(channel) !== handlers) return;
      this.#handlers.delete(channel);
      if (this.#client !== null) await this.#run(this.#client, `UNLISTEN ${pg.escapeIdentifier(channel)}`);
    };
  }

  async send(channel: string, payload: string): Promise<boolean> {
    return this.#ask('SELECT pg_notify($1, $2)', [channel, payload]);
  }

  /** The server sends what is pending before it says that it is ready for the next statement. */
  async flush(): Promise<boolean> {
    return this.#ask('SELECT 1');
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#reconnect !== null) clearTimeout(this.#reconnect);
    if (this.#probe !== null) clearInterval(this.#probe);
    const client = this.#client;
    this.#client = null;
    await client?.end().catch(() => undefined);
  }

  async #connect(): Promise<void> {
    const client = new pg.Client({
      connectionString: this.#options.url,
      application_name: 'sluice-listener',
      keepAlive: true,
      connectionTimeoutMillis: 10_000,
      query_timeout: 10_000,
    });
    client.on('error', (error) => this.#lost(client, error));
    client.on('end', () => this.#lost(client, new Error('the server closed the connection')));
    client.on('notification', ({ channel, payload }) => this.#deliver(channel, payload ?? ''));
    this.#client = client;
    try {
      await client.connect();
      // What is sent here wakes others up; there is nothing in it that a crash could lose.
      await client.query('SET synchronous_commit = off');
      for (const channel of this.#handlers.keys()) {
        await client.query(`LISTEN ${pg.escapeIdentifier(channel)}`);
      }
    } catch (error) {
      this.#lost(client, error);
      return;
    }
    if (this.#client !== client) return;
    this.#connected = true;
    const isReconnect = this.#failures > 0;
    this.#failures = 0;
    this.#probe = setInterval(() => void this.#run(client, 'SELECT 1'), PROBE_INTERVAL_MS).unref();
    if (isReconnect) for (const channel of this.#handlers.keys()) this.#deliver(channel, null);
  }

  async #ask(statement: string, values: readonly string[] = []): Promise<boolean> {
    const client = this.#client;
    if (client === null || !this.#connected) return false;
    await this.#run(client, statement, values);
    return this.#client === client;
  }

  /** Runs a statement on the listening connection; a failure means that the connection is gone. */
  async #run(client: pg.Client, statement: string, values: readonly string[] = []): Promise<void> {
    try {
      await client.query(statement, [...values]);
    } catch (error) {
      this.#lost(client, error);
    }
  }

  #lost(client: pg.Client, error: unknown): void {
    if (this.#client !== client) return;
    this.#client = null;
    this.#connected = false;
    if (this.#probe !== null) clearInterval(this.#probe);
    client.end().catch(() => undefined);
    if (this.#closed) return;
    this.#options.onError?.(error);
    const delay = Math.min(RECONNECT_MIN_MS * 2 ** this.#failures, RECONNECT_MAX_MS);
    this.#failures += 1;
    this.#reconnect = setTimeout(() => {
      this.#reconnect = null;
      void this.#connect();
    }, delay);
  }

  #deliver(channel: string, payload: string | null): void {
    for (const handler of this.#handlers.get(channel) ?? []) {
      try {
        handler(payload);
      } catch (error) {
        this.#options.onError?.(error);
      }
    }
  }
}
