import type { ContentSink } from '../tar/tar-parser.ts';

/** Keeps a whole file that is known to be small enough. */
export class BufferedContent implements ContentSink {
  readonly #chunks: Buffer[] = [];
  readonly #done: (content: Buffer) => void;

  constructor(done: (content: Buffer) => void) {
    this.#done = done;
  }

  write(chunk: Buffer): boolean {
    // The chunk belongs to the decompressor, which uses its memory again.
    this.#chunks.push(Buffer.from(chunk));
    return true;
  }

  end(): void {
    this.#done(Buffer.concat(this.#chunks));
  }
}
