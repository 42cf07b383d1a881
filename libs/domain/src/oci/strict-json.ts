import { OciError } from './errors.ts';

export type JsonValue =
  null | boolean | number | string | readonly JsonValue[] | { readonly [key: string]: JsonValue };
export type JsonObject = { readonly [key: string]: JsonValue };

/** Deeper nesting than any manifest has; parsers of clients recurse. */
export const JSON_DEPTH_MAX = 32;

/**
 * Parses JSON that every reader understands alike, or refuses it.
 *
 * JSON.parse keeps the last of two equal keys and other parsers the first, so one document could be two manifests:
 * one that is judged and one that runs. Such documents are refused, like text that is not UTF-8, a byte order mark
 * and nesting over {@link JSON_DEPTH_MAX}.
 *
 * @throws OciError MANIFEST_INVALID
 */
export function parseStrictJson(bytes: Uint8Array): JsonValue {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    throw new OciError('MANIFEST_INVALID', 'the manifest is not UTF-8 text', { cause: error });
  }
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new OciError('MANIFEST_INVALID', 'the manifest is not JSON', { cause: error });
  }
  refuseAmbiguity(text);
  return value;
}

/** Walks over text that JSON.parse has accepted: only structure and keys matter. */
function refuseAmbiguity(text: string): void {
  // One entry per open bracket: the keys seen in an object, null for an array.
  const open: (Set<string> | null)[] = [];
  let keyExpected = false;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case 0x7b: // {
      case 0x5b: // [
        keyExpected = text.charCodeAt(at) === 0x7b;
        if (open.push(keyExpected ? new Set() : null) > JSON_DEPTH_MAX) {
          throw new OciError(
            'MANIFEST_INVALID',
            `the manifest is nested deeper than ${JSON_DEPTH_MAX} levels`,
          );
        }
        break;
      case 0x7d: // }
      case 0x5d: // ]
        open.pop();
        keyExpected = false;
        break;
      case 0x2c: // ,
        keyExpected = open.at(-1) instanceof Set;
        break;
      case 0x22: {
        const end = endOfString(text, at);
        const keys = open.at(-1);
        if (keyExpected && keys) {
          const key = JSON.parse(text.slice(at, end + 1)) as string;
          if (keys.has(key)) {
            throw new OciError(
              'MANIFEST_INVALID',
              `the manifest names "${key.slice(0, 80)}" twice in one object`,
            );
          }
          keys.add(key);
          keyExpected = false;
        }
        at = end;
        break;
      }
      default:
    }
  }
}

/** Position of the quote that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  while (isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end;
}

function isEscaped(text: string, quote: number): boolean {
  let backslashes = 0;
  while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes += 1;
  return backslashes % 2 === 1;
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
