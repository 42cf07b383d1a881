import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../testing/index.ts';
import { migrate, openDatabase } from './data-source.ts';

/** Passes everything on, or nothing at all, as a network that has lost the server. */
class SilentProxy {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  isSilent = false;

  private constructor(url: string, server: Server) {
    this.url = url;
    this.#server = server;
  }

  static async before(url: string): Promise<SilentProxy> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const own = new URL(url);
    own.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const proxy = new SilentProxy(own.href, server);
    const { hostname, port } = new URL(url);
    server.on('connection', (client) => proxy.#join(client, connect(Number(port), hostname)));
    return proxy;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }

  #join(client: Socket, database: Socket): void {
    for (const [from, to] of [
      [client, database],
      [database, client],
    ] as const) {
      this.#sockets.add(from);
      from.on('error', () => undefined);
      from.on('close', () => to.destroy());
      from.on('data', (bytes) => {
        if (!this.isSilent) to.write(bytes);
      });
    }
  }
}

describe('the database', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => database.close());

  it('is complete after one migration run: a second run finds nothing to do', async () => {
    expect(await migrate(database.source)).toEqual([]);
  });

  it('is asked on another connection once one was silent for too long', async () => {
    const proxy = await SilentProxy.before(database.url);
    const source = await openDatabase({ url: proxy.url, poolSize: 3, silentMs: 1_500 });
    try {
      const ask = () => source.query<{ one: number }[]>('SELECT 1 AS one');
      await Promise.all([ask(), ask(), ask()]);
      proxy.isSilent = true;
      const unanswered = await Promise.allSettled([ask(), ask(), ask(), ask()]);
      expect(unanswered.map(({ status }) => status)).toEqual(Array(4).fill('rejected'));
      proxy.isSilent = false;
      for (let round = 0; round < 5; round++) expect(await ask()).toEqual([{ one: 1 }]);
    } finally {
      await source.destroy();
      proxy.close();
    }
  });

  it('orders tags and repository names by bytes (COLLATE "C")', async () => {
    const rows = await database.source.query<{ table_name: string; collation_name: string }[]>(
      `SELECT table_name, collation_name FROM information_schema.columns
       WHERE (table_name, column_name) IN (('tag', 'name'), ('repository', 'name')) ORDER BY 1`,
    );
    expect(rows.map((row) => row.collation_name)).toEqual(['C', 'C']);
  });
});
