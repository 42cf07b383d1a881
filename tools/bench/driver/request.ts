import type { Answer, Connection, Endpoint } from './connection.ts';
import type { Fields } from './messages.ts';

/** Status line and fields of a request, ready to be sent. */
export function headOf(
  { host, port }: Endpoint,
  method: string,
  target: string,
  fields: Fields,
  bodyBytes?: number,
): string {
  const length = bodyBytes === undefined ? {} : { 'content-length': String(bodyBytes) };
  const lines = Object.entries({ host: `${host}:${port}`, ...fields, ...length }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

export function expectStatus(answer: Answer, status: number, what: string): Answer {
  if (answer.status !== status)
    throw new Error(`${what}: ${answer.status} instead of ${status}\n${answer.head}`);
  return answer;
}

/** Runs `work` once per connection, all at once, and closes the connections. */
export async function onConnections(
  connections: readonly Connection[],
  work: (connection: Connection, index: number) => Promise<void>,
): Promise<void> {
  try {
    await Promise.all(connections.map(work));
  } finally {
    for (const connection of connections) connection.close();
  }
}
