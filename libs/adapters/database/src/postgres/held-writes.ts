import type pg from 'pg';

interface Corkable {
  cork(): void;
  uncork(): void;
}

const held = new WeakSet<pg.Client>();

/** Collects what the client sends in this turn of the event loop into one write: each is a system call. */
export function holdWrites(client: pg.Client): void {
  if (held.has(client)) return;
  const { stream } = (client as unknown as { connection: { stream: Corkable } }).connection;
  held.add(client);
  stream.cork();
  setImmediate(() => {
    held.delete(client);
    stream.uncork();
  });
}
