import { once } from 'node:events';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { OCI_MANIFEST, type TestClient } from './test-client.ts';

/** A request whose last byte comes when the test says so. */
export class SlowPush {
  readonly #socket: Socket;
  readonly #lastByte: Buffer;

  private constructor(socket: Socket, lastByte: Buffer) {
    this.#socket = socket;
    this.#lastByte = lastByte;
  }

  /** Sends all but the last byte. @param request method and path */
  static async begin(client: TestClient, request: string, body: string | Uint8Array): Promise<SlowPush> {
    const bytes = Buffer.from(body);
    const socket = client.registry.connect();
    await once(socket, 'connect');
    socket.write(
      `${request} HTTP/1.1\r\nHost: ${client.registry.host}\r\nConnection: close\r\nAuthorization: ${client.authorization}\r\n` +
        `Content-Type: ${OCI_MANIFEST}\r\nContent-Length: ${bytes.length}\r\n\r\n`,
    );
    socket.write(bytes.subarray(0, -1));
    return new SlowPush(socket, bytes.subarray(-1));
  }

  /** Sends the last byte and returns the answer as it came. */
  async end(): Promise<string> {
    this.#socket.write(this.#lastByte);
    return text(this.#socket);
  }
}
