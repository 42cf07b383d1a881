import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { catalogExecutable } from '../catalogers/go-binary.ts';
import { type CapturedElf, ElfCapture } from './elf-capture.ts';
import { type GoBuildInfo, readGoBuildInfo } from './go-build-info.ts';
import type { ByteRange } from './sparse-file.ts';

const FIXTURES = new URL('../testdata/buildinfo/', import.meta.url);
const EXPECTED = JSON.parse(readFileSync(new URL('expected.json', FIXTURES), 'utf8')) as Record<
  string,
  GoBuildInfo
>;

function fixture(name: string): Buffer {
  return readFileSync(new URL(name, FIXTURES));
}

function capture(
  content: Buffer,
  chunkBytes = content.length,
  wanted: readonly ByteRange[] = [],
): CapturedElf | null {
  let result: CapturedElf | null = null;
  const sink = new ElfCapture(content.length, wanted, (captured) => (result = captured));
  for (let start = 0; start < content.length; start += chunkBytes) {
    if (!sink.write(content.subarray(start, start + chunkBytes))) break;
  }
  sink.end();
  return result;
}

/** As a layer is read: again and again, until nothing is missing. */
function catalog(content: Buffer, chunkBytes = content.length): ReturnType<typeof catalogExecutable> | null {
  const wanted: ByteRange[] = [];
  for (let pass = 0; pass < 4; pass += 1) {
    const captured = capture(content, chunkBytes, wanted);
    if (captured === null) return null;
    const result = catalogExecutable(captured);
    if (result.kind !== 'missing') return result;
    wanted.push(...result.ranges);
  }
  throw new Error('the file never became complete');
}

describe('build information of Go binaries', () => {
  it.each(Object.keys(EXPECTED))('%s: Go version, main module and every dependency', (name) => {
    const captured = capture(fixture(name));
    const info = captured === null ? null : readGoBuildInfo(captured.file, captured.goMarks);
    expect(info).toEqual(EXPECTED[name]);
  });

  it.each([1, 7, 13, 4096])('marks are found across chunks of %i bytes', (chunkBytes) => {
    expect(catalog(fixture('go-kpt.elf'), chunkBytes)).toEqual(catalog(fixture('go-kpt.elf')));
  });

  it('gives the standard library its version, and a main module that was not released none', () => {
    const result = catalog(fixture('go-kubectl-1.28.elf'));
    expect(result).toMatchObject({ kind: 'go', problem: null });
    const packages =
      result?.kind === 'go' ? result.packages.map(({ name, version }) => `${name}@${version}`) : [];
    expect(packages.slice(0, 3)).toEqual([
      'stdlib@1.22.8',
      'k8s.io/kubernetes@',
      'github.com/MakeNowJust/heredoc@v1.0.0',
    ]);
  });

  it('a program that was built without modules has dependencies that nobody can tell', () => {
    expect(catalog(fixture('go-runc-no-modules.elf'))).toMatchObject({
      kind: 'go',
      problem: expect.stringMatching(/without modules/),
    });
    expect(catalog(fixture('go-experiment-arm64.elf'))).toMatchObject({ kind: 'go', problem: null });
  });

  it.each(['rust-crate-with-vulns.elf', 'rust-no-deps.elf'])(
    '%s has a dependency list that is named, not read',
    (name) => {
      expect(catalog(fixture(name))).toEqual({ kind: 'unread', format: expect.stringMatching(/^Rust/) });
    },
  );
});

describe('the form of Go before 1.18: pointers to strings', () => {
  const VERSION = 'go1.16.15';
  const MODULES = `${'\x30'.repeat(16)}path\texample.com/old\nmod\texample.com/old\tv0.9.0\th1:x\ndep\texample.com/dep\tv1.0.0\th1:y\n=>\texample.com/fork\tv1.0.1\th1:z\n${'\x31'.repeat(16)}`;

  /** One read-only segment with texts, one writable with string headers behind the build information. */
  function oldBinary(is64: boolean, isBig: boolean): Buffer {
    const base = 0x400000;
    const data = { offset: 0x3000, address: base + 0x3000 };
    const file = Buffer.alloc(0x4000);
    const u16 = (value: number, at: number) =>
      isBig ? file.writeUInt16BE(value, at) : file.writeUInt16LE(value, at);
    const u32 = (value: number, at: number) =>
      isBig ? file.writeUInt32BE(value, at) : file.writeUInt32LE(value, at);
    const width = is64 ? 8 : 4;
    const word = (value: number, at: number): void => {
      if (!is64) u32(value, at);
      else if (isBig) file.writeBigUInt64BE(BigInt(value), at);
      else file.writeBigUInt64LE(BigInt(value), at);
    };
    file.write('\x7fELF', 0, 'latin1');
    file.writeUInt8(is64 ? 2 : 1, 4);
    file.writeUInt8(isBig ? 2 : 1, 5);
    const headerBytes = is64 ? 64 : 52;
    word(headerBytes, is64 ? 32 : 28);
    u16(is64 ? 56 : 32, is64 ? 54 : 42);
    u16(2, is64 ? 56 : 44);
    [
      { flags: 5, offset: 0, address: base, size: 0x3000 },
      { flags: 6, offset: data.offset, address: data.address, size: 0x1000 },
    ].forEach((segment, index) => {
      const at = headerBytes + index * (is64 ? 56 : 32);
      u32(1, at);
      u32(segment.flags, at + (is64 ? 4 : 24));
      word(segment.offset, at + (is64 ? 8 : 4));
      word(segment.address, at + (is64 ? 16 : 8));
      word(segment.size, at + (is64 ? 32 : 16));
    });
    file.write(VERSION, 0x2000, 'latin1');
    file.write(MODULES, 0x2100, 'latin1');
    file.write('\xff Go buildinf:', 0x1000, 'latin1');
    file.write('\xff Go buildinf:', data.offset, 'latin1');
    file.writeUInt8(width, data.offset + 14);
    file.writeUInt8(isBig ? 1 : 0, data.offset + 15);
    word(data.address + 0x100, data.offset + 16);
    word(data.address + 0x200, data.offset + 16 + width);
    word(base + 0x2000, data.offset + 0x100);
    word(VERSION.length, data.offset + 0x100 + width);
    word(base + 0x2100, data.offset + 0x200);
    word(MODULES.length, data.offset + 0x200 + width);
    return file;
  }

  it.each([
    [true, false],
    [true, true],
    [false, false],
    [false, true],
  ])('64 bit: %s, big endian: %s', (is64, isBig) => {
    const result = catalog(oldBinary(is64, isBig), 1000);
    expect(result).toMatchObject({
      kind: 'go',
      problem: null,
      packages: [
        { name: 'stdlib', version: '1.16.15' },
        { name: 'example.com/old', version: 'v0.9.0' },
        { name: 'example.com/fork', version: 'v1.0.1' },
      ],
    });
  });

  it('the mark in read-only data belongs to a program that looks for it', () => {
    const scanner = oldBinary(true, false);
    scanner.fill(0, 0x3000, 0x3010);
    expect(catalog(scanner)).toEqual({ kind: 'other' });
  });

  it('pointers that lead nowhere are a problem, not an exception', () => {
    const broken = oldBinary(true, false);
    broken.writeBigUInt64LE(0xffffffffffn, 0x3010);
    expect(catalog(broken)).toMatchObject({
      kind: 'go',
      packages: [],
      problem: expect.stringMatching(/cannot be read/),
    });
  });
});

describe('any executable', () => {
  const names = readdirSync(FIXTURES).filter((name) => name.endsWith('.elf'));

  it('never throws and always ends, whatever bytes are changed or cut off', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...names),
        fc.array(fc.tuple(fc.nat(700), fc.nat(255)), { maxLength: 12 }),
        fc.integer({ min: 0, max: 6000 }),
        (name, changes, length) => {
          const content = Buffer.from(fixture(name).subarray(0, Math.max(length, 60)));
          for (const [at, value] of changes) if (at > 3 && at < content.length) content.writeUInt8(value, at);
          expect(['go', 'unread', 'other', undefined]).toContain(catalog(content)?.kind);
        },
      ),
      { seed: 13, numRuns: 2000 },
    );
  });

  it('one that is full of marks may hide the one that counts, which is a problem', () => {
    const crowded = Buffer.concat([
      fixture('rust-no-deps.elf').subarray(0, 64),
      ...Array.from({ length: 40 }, () => Buffer.from('\xff Go buildinf:\0\0', 'latin1')),
    ]);
    crowded.fill(0, 40, 48);
    crowded.fill(0, 58, 64);
    expect(catalog(crowded)).toMatchObject({ kind: 'go', problem: expect.stringMatching(/cannot be read/) });
  });

  it('a packed one is named', () => {
    const packed = Buffer.from(fixture('rust-no-deps.elf'));
    const elf = Buffer.concat([packed.subarray(0, 64), Buffer.from('UPX!'), Buffer.alloc(100)]);
    elf.fill(0, 40, 48);
    elf.fill(0, 58, 64);
    expect(catalog(elf)).toEqual({ kind: 'unread', format: 'packed executable (UPX)' });
  });

  it('what is no ELF file is left alone after its first bytes', () => {
    expect(capture(Buffer.from('#!/bin/sh\n'.repeat(100)))).toBeNull();
  });
});
