import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { BlobStorageError } from '../errors.ts';
import { TAG_BYTES } from './layout.ts';

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG = { authTagLength: TAG_BYTES } as const;
/** The counter of a nonce has 32 bits; one more would begin again at 0 and use a nonce twice. */
export const SEGMENT_INDEX_MAX = 0xffff_ffff;

export const DATA_KEY_BYTES = KEY_BYTES;

/** Where a segment stands. `prefix` is that of its run. */
export interface SegmentPlace {
  readonly prefix: Uint8Array;
  readonly index: number;
  readonly isLast: boolean;
}

/** A segment that is being decrypted. */
export interface OpeningSegment {
  update(piece: Uint8Array): Buffer;
  /** @throws BlobStorageError OBJECT_TAMPERED */
  final(tag: Uint8Array): void;
}

/**
 * Everything that is encrypted under the data key of one object. A key of its own for each purpose is derived from it
 * (HKDF, RFC 5869), and header and object key are authenticated with every ciphertext, so that nothing can be moved to
 * another object.
 *
 * Segments are encrypted as in STREAM (Hoang, Reyhanitabar, Rogaway, Vizár, 2015): the nonce is
 * prefix (7) | index (4) | 1 for the last segment, 0 for others (1), which makes every change of order or length show.
 */
export class ObjectCipher {
  readonly header: Buffer;
  readonly #context: Buffer;
  readonly #segmentKey: KeyObject;
  readonly #sideKey: KeyObject;

  constructor(dataKey: Uint8Array, header: Buffer, objectKey: string) {
    this.header = header;
    this.#context = Buffer.concat([header, Buffer.from(objectKey)]);
    const derived = Buffer.from(hkdfSync('sha256', dataKey, header, 'sluice blob object', 2 * KEY_BYTES));
    this.#segmentKey = createSecretKey(derived.subarray(0, KEY_BYTES));
    this.#sideKey = createSecretKey(derived.subarray(KEY_BYTES));
    derived.fill(0);
  }

  /**
   * Encrypts a segment that is given in pieces. What it returns is to be stored in that order.
   *
   * @throws BlobStorageError STORAGE_FAILED when the object would have more segments than can be counted
   */
  sealSegment(place: SegmentPlace, pieces: readonly Uint8Array[]): Buffer[] {
    const cipher = createCipheriv(ALGORITHM, this.#segmentKey, nonceOf(place), TAG);
    cipher.setAAD(this.#context);
    const sealed = pieces.map((piece) => cipher.update(piece));
    // GCM keeps nothing back: final() only makes the tag.
    cipher.final();
    sealed.push(cipher.getAuthTag());
    return sealed;
  }

  /** Begins to decrypt a segment. What comes out is worth nothing before {@link OpeningSegment.final}. */
  openSegment(place: SegmentPlace): OpeningSegment {
    const decipher = createDecipheriv(ALGORITHM, this.#segmentKey, nonceOf(place), TAG);
    decipher.setAAD(this.#context);
    return {
      update: (piece) => decipher.update(piece),
      final: (tag) => {
        decipher.setAuthTag(tag);
        try {
          decipher.final();
        } catch (cause) {
          throw tampered(`segment ${place.index} of the object is not what was stored`, cause);
        }
      },
    };
  }

  /** Encrypts what is kept beside the object. `purpose` tells such things apart. */
  sealSide(purpose: string, content: Uint8Array): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(ALGORITHM, this.#sideKey, nonce, TAG);
    cipher.setAAD(this.#sideContext(purpose));
    return Buffer.concat([nonce, cipher.update(content), cipher.final(), cipher.getAuthTag()]);
  }

  /** @throws BlobStorageError OBJECT_TAMPERED */
  openSide(purpose: string, sealed: Uint8Array): Buffer {
    try {
      const decipher = createDecipheriv(ALGORITHM, this.#sideKey, sealed.subarray(0, NONCE_BYTES), TAG);
      decipher.setAAD(this.#sideContext(purpose));
      decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
      const content = sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES);
      return Buffer.concat([decipher.update(content), decipher.final()]);
    } catch (cause) {
      throw tampered(`what is kept beside the object (${purpose}) is not what was stored`, cause);
    }
  }

  #sideContext(purpose: string): Buffer {
    return Buffer.concat([this.#context, Buffer.from(`\0${purpose}`)]);
  }
}

/** Bytes that {@link ObjectCipher.sealSide} adds. */
export const SIDE_OVERHEAD_BYTES = NONCE_BYTES + TAG_BYTES;

function nonceOf({ prefix, index, isLast }: SegmentPlace): Buffer {
  if (index > SEGMENT_INDEX_MAX) {
    throw new BlobStorageError('STORAGE_FAILED', 'an encrypted object holds at most 2^32 segments of 64 KiB');
  }
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.set(prefix);
  nonce.writeUInt32BE(index, prefix.length);
  nonce[NONCE_BYTES - 1] = isLast ? 1 : 0;
  return nonce;
}

function tampered(message: string, cause: unknown): BlobStorageError {
  return new BlobStorageError('OBJECT_TAMPERED', message, { cause });
}
