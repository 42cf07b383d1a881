import { type Digest, isDigest } from '../oci/digest.ts';
import { type RejectionCode, SignatureRejected } from './errors.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Reads the expected shape out of untrusted JSON. Everything that is not as expected throws {@link SignatureRejected}
 * with the code given here and the path of the field.
 */
export class JsonShape {
  readonly #code: RejectionCode;
  readonly #what: string;

  constructor(code: RejectionCode, what: string) {
    this.#code = code;
    this.#what = what;
  }

  /** Parses UTF-8 JSON whose top level is an object; bytes that are not UTF-8, or a byte order mark, are refused. */
  parse(bytes: Uint8Array, maxBytes: number): JsonObject {
    if (bytes.byteLength > maxBytes) {
      throw new SignatureRejected(
        'content-too-large',
        `the ${this.#what} has ${bytes.byteLength} bytes, at most ${maxBytes} are read`,
      );
    }
    let value: unknown;
    try {
      value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
    } catch (cause) {
      throw new SignatureRejected(this.#code, `the ${this.#what} is not JSON in UTF-8`, { cause });
    }
    return this.object(value, 'top level');
  }

  object(value: unknown, path: string): JsonObject {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      this.fail(`${path} must be an object`);
    return value as JsonObject;
  }

  array(value: unknown, path: string, maximum: number): readonly unknown[] {
    if (!Array.isArray(value)) this.fail(`${path} must be a list`);
    if (value.length > maximum) {
      throw new SignatureRejected(
        'limit',
        `${path} of the ${this.#what} has ${value.length} entries, at most ${maximum} are read`,
      );
    }
    return value;
  }

  string(value: unknown, path: string): string {
    if (typeof value !== 'string') this.fail(`${path} must be a string`);
    return value;
  }

  digest(value: unknown, path: string): Digest {
    const text = this.string(value, path);
    if (!isDigest(text)) this.fail(`${path} must be a digest`);
    return text;
  }

  size(value: unknown, path: string): number {
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
      this.fail(`${path} must be a whole number`);
    return value;
  }

  base64(value: unknown, path: string): Buffer {
    const bytes = decodeBase64(this.string(value, path));
    if (bytes === null) this.fail(`${path} must be standard base64`);
    return bytes;
  }

  fail(message: string): never {
    throw new SignatureRejected(this.#code, `${this.#what}: ${message}`);
  }
}

/** Standard base64 with padding (RFC 4648, 4) in its one canonical spelling; null for anything else. */
export function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}
