import { connect as connectTcp, type OnReadOpts, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** Where a registry listens. Plain data, so that it can be sent to the thread of the driver. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /** PEM of the certificate to trust; null for plain HTTP. */
  readonly certificate: string | null;
}

export interface Answer {
  readonly status: number;
  /** Status line and header fields. */
  readonly head: string;
  readonly bodyBytes: number;
  /** Empty unless it was asked for. */
  readonly body: Buffer;
}

/** What one read takes from the socket at most: a small buffer would make the client the bottleneck of downloads. */
const READ_BUFFER_BYTES = 512 * 1_024;
const HEAD_END = Buffer.from('\r\n\r\n');

interface Pending {
  readonly isHead: boolean;
  readonly collected: Buffer[] | null;
  resolve(answer: Answer): void;
  reject(error: Error): void;
}

/**
 * One HTTP/1.1 connection that is kept alive and carries one request at a time.
 *
 * The driver shares the machine with what it measures, so this does nothing that a benchmark does not need: heads are
 * sent as they were built, of answers only the status and the Content-Length are read, bodies are counted.
 */
export class Connection {
  readonly #socket: Socket;
  #pending: Pending | undefined;
  /** The beginning of an answer whose head is not complete yet. */
  #partial: Buffer[] = [];
  #answer: Omit<Answer, 'body'> | undefined;
  #bodyLeft = 0;

  private constructor(open: (onread: OnReadOpts) => Socket) {
    const buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
    const callback = (size: number): boolean => {
      this.#read(buffer, size);
      return true;
    };
    this.#socket = open({ buffer, callback });
    this.#socket.setNoDelay(true);
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('close', () => this.#fail(new Error('the registry closed the connection')));
  }

  static open({ host, port, certificate }: Endpoint): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const connection = new Connection((onread) =>
        certificate === null
          ? connectTcp({ host, port, onread })
          : // `onread` is missing in the types of tls.connect, which passes it on.
            connectTls({ host, port, ca: certificate, servername: 'localhost', onread } as object),
      );
      const socket = connection.#socket;
      socket.once('error', reject);
      socket.once(certificate === null ? 'connect' : 'secureConnect', () => {
        socket.off('error', reject);
        resolve(connection);
      });
    });
  }

  /** Sends one request with a small body or none, and resolves with its answer, whose body is thrown away. */
  exchange(head: string, body?: Uint8Array): Promise<Answer> {
    return this.#send(head, body, null);
  }

  /** As {@link exchange}, with the body of the answer. */
  fetch(head: string, body?: Uint8Array): Promise<Answer> {
    return this.#send(head, body, []);
  }

  #send(head: string, body: Uint8Array | undefined, collected: Buffer[] | null): Promise<Answer> {
    const answer = this.#expect(head, collected);
    if (body === undefined) {
      this.#socket.write(head, 'latin1');
    } else {
      this.#socket.cork();
      this.#socket.write(head, 'latin1');
      this.#socket.write(body);
      this.#socket.uncork();
    }
    return answer;
  }

  /** Sends one request with a large body. A block may be written over as soon as the next one is asked for. */
  async stream(head: string, blocks: Iterable<Uint8Array>): Promise<Answer> {
    const answer = this.#expect(head, null);
    answer.catch(() => undefined);
    this.#socket.write(head, 'latin1');
    let answered = false;
    void answer.then(
      () => (answered = true),
      () => (answered = true),
    );
    for (const block of blocks) {
      if (answered) break;
      await new Promise<void>((resolve, reject) => {
        this.#socket.write(block, (error) => (error ? reject(error) : resolve()));
      });
    }
    return answer;
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #expect(head: string, collected: Buffer[] | null): Promise<Answer> {
    if (this.#pending !== undefined) throw new Error('the connection carries one request at a time');
    return new Promise((resolve, reject) => {
      this.#pending = { isHead: head.startsWith('HEAD '), collected, resolve, reject };
    });
  }

  #read(buffer: Buffer, size: number): void {
    let at = 0;
    if (this.#answer === undefined) {
      const now = buffer.subarray(0, size);
      const received = this.#partial.length === 0 ? now : Buffer.concat([...this.#partial, now]);
      const headEnd = received.indexOf(HEAD_END);
      if (headEnd < 0) {
        this.#partial = [Buffer.from(received)];
        return;
      }
      at = headEnd + HEAD_END.length - (received.length - size);
      this.#partial = [];
      this.#begin(received.toString('latin1', 0, headEnd));
    }
    this.#pending?.collected?.push(Buffer.from(buffer.subarray(at, size)));
    this.#bodyLeft -= size - at;
    if (this.#bodyLeft > 0) return;
    if (this.#bodyLeft < 0) this.#fail(new Error('the answer is longer than its Content-Length'));
    const [pending, answer] = [this.#pending, this.#answer];
    this.#pending = undefined;
    this.#answer = undefined;
    if (answer !== undefined) pending?.resolve({ ...answer, body: Buffer.concat(pending.collected ?? []) });
  }

  #begin(head: string): void {
    const status = Number(head.slice(9, 12));
    const hasNoBody = this.#pending?.isHead === true || status === 204 || status === 304;
    const length = hasNoBody ? 0 : contentLength(head);
    this.#bodyLeft = length;
    this.#answer = { status, head, bodyBytes: length };
  }

  #fail(error: Error): void {
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.reject(error);
  }
}

function contentLength(head: string): number {
  const text = headerOf(head, 'content-length');
  if (text === null) throw new Error(`the driver reads no answer without Content-Length:\n${head}`);
  return Number(text);
}

/** Value of a header field of an answer, null when it has none. */
export function headerOf(head: string, name: string): string | null {
  const [, value] = new RegExp(`\\r\\n${name}: *([^\\r]*)`, 'i').exec(head) ?? [];
  return value ?? null;
}
