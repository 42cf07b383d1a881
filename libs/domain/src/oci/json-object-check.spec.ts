import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonObjectCheck } from './json-object-check.ts';

function isObject(bytes: Uint8Array, pieceBytes = 7): boolean {
  const check = new JsonObjectCheck();
  for (let at = 0; at < bytes.length; at += pieceBytes) check.push(bytes.subarray(at, at + pieceBytes));
  return check.end();
}

/** What JSON.parse says of it. */
function isParsedObject(bytes: Uint8Array): boolean {
  try {
    const value: unknown = JSON.parse(
      new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes),
    );
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

const RUNS = { seed: 20261121, numRuns: 2_000 };

describe('one JSON object, in pieces', () => {
  it.each([
    '{}',
    ' \t\r\n{ } ',
    '{"a":1}',
    '{"a":[],"b":{}}',
    '{"a":[1,-0.5e+10,true,false,null,"\\u00ff\\n"],"a":{"b":[{}]}}',
    '{"é💣":"\u007f"}',
  ])('%j is one', (text) => {
    for (const size of [1, 2, 3, 1_000]) expect(isObject(Buffer.from(text), size)).toBe(true);
  });

  it.each([
    '',
    ' ',
    '[]',
    '1',
    '"a"',
    'null',
    '{',
    '}',
    '{}{}',
    '{},',
    '{]',
    '[}',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '{,}',
    '{"a":[1,]}',
    '{"a":[,]}',
    '{1:2}',
    '{"a":01}',
    '{"a":1.}',
    '{"a":.5}',
    '{"a":+1}',
    '{"a":-}',
    '{"a":1e}',
    '{"a":tru}',
    '{"a":nulll}',
    '{"a":NaN}',
    '{"a":"\n"}',
    '{"a":"\\x"}',
    '{"a":"\\u12g4"}',
    '{"a":"b}',
    '{"a":1 2}',
    '{"a" 1}',
    "{'a':1}",
    '{"a":1}\0',
    '\ufeff{}',
    '{"a":"\0"}',
  ])('%j is none', (text) => {
    for (const size of [1, 2, 1_000]) expect(isObject(Buffer.from(text), size)).toBe(false);
  });

  it('is none when it is not UTF-8, however it is cut', () => {
    for (const bytes of [
      [0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d],
      [0x7b, 0x7d, 0xc3],
    ]) {
      for (const size of [1, 2, 100]) expect(isObject(Uint8Array.from(bytes), size)).toBe(false);
    }
  });

  it('gives up at the first piece that spoils it, and on nesting without end', () => {
    const check = new JsonObjectCheck();
    expect(check.push(Buffer.from('{"a":'))).toBe(true);
    expect(check.push(Buffer.from(']'))).toBe(false);
    expect(check.push(Buffer.from('1}'))).toBe(false);
    expect(isObject(Buffer.from(`{"a":${'['.repeat(250)}${']'.repeat(250)}}`))).toBe(true);
    expect(isObject(Buffer.from(`{"a":${'['.repeat(260)}${']'.repeat(260)}}`))).toBe(false);
  });

  it('says what JSON.parse says, of values and of their damaged texts', () => {
    fc.assert(
      fc.property(
        fc.jsonValue({ maxDepth: 4 }),
        fc.nat(),
        fc.nat(255),
        fc.integer({ min: 1, max: 9 }),
        (value, at, byte, size) => {
          const bytes = Buffer.from(JSON.stringify({ value }));
          expect(isObject(bytes, size)).toBe(true);
          bytes[at % bytes.length] = byte;
          expect(isObject(bytes, size)).toBe(isParsedObject(bytes));
        },
      ),
      RUNS,
    );
  });

  it('says what JSON.parse says, of anything that is made of its characters', () => {
    const characters = fc.constantFrom(
      ...'{}[]:,"\\ \n0123.eE+-tfnu'.split(''),
      'true',
      'null',
      '"a"',
      '{"a":',
      '{}',
    );
    fc.assert(
      fc.property(fc.array(characters, { maxLength: 12 }), (parts) => {
        const bytes = Buffer.from(parts.join(''));
        expect(isObject(bytes, 3)).toBe(isParsedObject(bytes));
      }),
      { ...RUNS, numRuns: 10_000 },
    );
  });
});
