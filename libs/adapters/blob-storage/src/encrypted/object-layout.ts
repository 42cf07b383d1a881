import { BlobStorageError } from '../errors.ts';
import { checkHeader, HEADER_BYTES, segmentCount } from './layout.ts';
import { ObjectCipher, type SegmentPlace } from './object-cipher.ts';
import { PREFIX_BYTES, Runs } from './runs.ts';

const SIZE_BYTES = 8;
const PURPOSE = 'seal';

/**
 * What an object consists of: how many bytes, and which append wrote which segment. It is encrypted in the envelope of
 * the object, so that nobody can pass off an earlier state of the upload as the object.
 *
 *     seal      header (32) | nonce (12) | ciphertext | tag (16)
 *     content   size (8) | prefix of the last segment (7) | runs: first segment (4), prefix (7), …
 */
export class ObjectLayout {
  readonly sizeBytes: number;
  readonly #runs: Runs;
  readonly #lastPrefix: Buffer;

  constructor(sizeBytes: number, runs: Runs, lastPrefix: Buffer) {
    this.sizeBytes = sizeBytes;
    this.#runs = runs;
    this.#lastPrefix = lastPrefix;
  }

  /** Whether this is the layout of the same append, whose prefixes no other has. */
  equals(other: ObjectLayout): boolean {
    return (
      this.sizeBytes === other.sizeBytes &&
      this.#lastPrefix.equals(other.#lastPrefix) &&
      this.#runs.encode().equals(other.#runs.encode())
    );
  }

  /** Where a segment stands, which its nonce says. */
  place(index: number): SegmentPlace {
    const isLast = index === segmentCount(this.sizeBytes) - 1;
    const prefix = isLast ? this.#lastPrefix : this.#runs.prefixOf(index);
    if (prefix === undefined) throw malformed(new RangeError(`no run holds segment ${index}`));
    return { prefix, index, isLast };
  }

  seal(cipher: ObjectCipher): Buffer {
    const size = Buffer.alloc(SIZE_BYTES);
    size.writeBigUInt64BE(BigInt(this.sizeBytes));
    const content = Buffer.concat([size, this.#lastPrefix, this.#runs.encode()]);
    return Buffer.concat([cipher.header, cipher.sealSide(PURPOSE, content)]);
  }

  /** @throws BlobStorageError OBJECT_TAMPERED */
  static open(
    dataKey: Uint8Array,
    seal: Uint8Array,
    objectKey: string,
  ): { cipher: ObjectCipher; layout: ObjectLayout } {
    const header = Buffer.from(seal.subarray(0, HEADER_BYTES));
    checkHeader(header);
    const cipher = new ObjectCipher(dataKey, header, objectKey);
    const content = cipher.openSide(PURPOSE, seal.subarray(HEADER_BYTES));
    try {
      const sizeBytes = Number(content.readBigUInt64BE(0));
      const lastPrefix = Buffer.from(content.subarray(SIZE_BYTES, SIZE_BYTES + PREFIX_BYTES));
      const runs = Runs.decode(content.subarray(SIZE_BYTES + PREFIX_BYTES));
      return { cipher, layout: new ObjectLayout(sizeBytes, runs, lastPrefix) };
    } catch (cause) {
      throw malformed(cause);
    }
  }
}

function malformed(cause: unknown): BlobStorageError {
  return new BlobStorageError('OBJECT_TAMPERED', 'the seal of the object is malformed', { cause });
}
