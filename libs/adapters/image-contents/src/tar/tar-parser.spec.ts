import { describe, expect, it } from 'vitest';
import { LayerError } from '../errors.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import {
  buildTar,
  directory,
  file,
  gnuLong,
  hardLink,
  paxContent,
  symlink,
  writeChecksum,
} from '../testing/index.ts';
import { type TarEntry, TarParser } from './tar-parser.ts';

interface Read {
  readonly entries: (TarEntry & { content: string })[];
  readonly notes: string[];
}

function read(archive: Buffer, chunkBytes = archive.length, limits = {}): Read {
  const result: Read = { entries: [], notes: [] };
  const parser = new TarParser(
    {
      entry: (entry) => {
        const record = { ...entry, content: '' };
        result.entries.push(record);
        return {
          write: (chunk) => {
            record.content += chunk.toString('latin1');
            return true;
          },
          end: () => {},
        };
      },
      note: (reason) => result.notes.push(reason),
    },
    { ...DEFAULT_LIMITS, ...limits },
  );
  for (let start = 0; start < archive.length; start += Math.max(chunkBytes, 1)) {
    parser.write(archive.subarray(start, start + chunkBytes));
  }
  parser.end();
  return result;
}

function fault(archive: Buffer, limits = {}): LayerError {
  try {
    read(archive, 777, limits);
  } catch (error) {
    if (error instanceof LayerError) return error;
    throw error;
  }
  throw new Error('the archive was read');
}

const names = (archive: Buffer): string[] => read(archive).entries.map((entry) => entry.name);

describe('formats of tar', () => {
  const archive = buildTar([
    directory('etc/'),
    file('etc/a', 'one'),
    file('etc/b', 'x'.repeat(1500)),
    symlink('lib', 'usr/lib'),
    hardLink('etc/c', 'etc/a'),
    { name: 'dev/null', type: '3' },
    file('last'),
  ]);

  it.each([archive.length, 512, 511, 100, 1])(
    'entries and content are the same in chunks of %i bytes',
    (size) => {
      const { entries, notes } = read(archive, size);
      expect(
        entries.map(({ name, type, linkName, content }) => [name, type, linkName, content.length]),
      ).toEqual([
        ['etc/', 'directory', '', 0],
        ['etc/a', 'file', '', 3],
        ['etc/b', 'file', '', 1500],
        ['lib', 'symlink', 'usr/lib', 0],
        ['etc/c', 'hardlink', 'etc/a', 0],
        ['dev/null', 'other', '', 0],
        ['last', 'file', '', 0],
      ]);
      expect(notes).toEqual([]);
    },
  );

  it('ustar puts the beginning of a long name into the prefix; GNU keeps other things there', () => {
    const prefix = 'very/long';
    expect(names(buildTar([{ name: 'name', prefix }]))).toEqual(['very/long/name']);
    expect(names(buildTar([{ name: 'name', prefix, magic: 'gnu' }]))).toEqual(['name']);
    expect(names(buildTar([{ name: 'name', prefix, magic: 'v7' }]))).toEqual(['name']);
  });

  it('v7 marks a directory by a slash', () => {
    expect(read(buildTar([{ name: 'd/', type: '\0', magic: 'v7' }])).entries[0]?.type).toBe('directory');
  });

  it('GNU long names and link targets hold for the next entry only', () => {
    const long = `d/${'n'.repeat(300)}`;
    const { entries } = read(
      buildTar([gnuLong('L', long), gnuLong('K', `t${long}`), symlink('short', 'short'), file('next')]),
    );
    expect(entries.map(({ name, linkName }) => [name, linkName])).toEqual([
      [long, `t${long}`],
      ['next', ''],
    ]);
  });

  it('PAX records give name, link target and size, for the next entry only', () => {
    const entry = { name: 'x', content: 'abc', sizeBytes: 0, pax: { path: 'größe/名', size: '3' } };
    const { entries } = read(
      buildTar([entry, { ...symlink('l', 'x'), pax: { linkpath: 'y' } }, file('next')]),
    );
    expect(entries.map(({ name, linkName, content }) => [name, linkName, content])).toEqual([
      ['größe/名', '', 'abc'],
      ['l', 'y', ''],
      ['next', '', ''],
    ]);
  });

  it('sizes to base 256 are read, negative ones refused', () => {
    const large = { ...file('x', 'abc'), patch: (header: Buffer) => setSize(header, [0x80, 3]) };
    expect(read(buildTar([large])).entries[0]).toMatchObject({ sizeBytes: 3, content: 'abc' });
    const negative = { ...file('x'), patch: (header: Buffer) => setSize(header, [0xff, 0xff]) };
    expect(fault(buildTar([negative])).message).toMatch(/size is no number/);
  });

  function setSize(header: Buffer, [first, last]: number[]): void {
    header.fill(0, 124, 136);
    header.writeUInt8(first ?? 0, 124);
    header.writeUInt8(last ?? 0, 135);
    writeChecksum(header);
  }

  it('links and devices have no content, whatever size they state (as in Go, which runtimes use)', () => {
    const link = { ...symlink('l', 'x'), sizeBytes: 512 };
    expect(names(buildTar([link, file('next', 'abc')]))).toEqual(['l', 'next']);
  });

  it('a signed checksum, as old programs wrote it, is taken', () => {
    const patch = (header: Buffer): void => {
      header.fill(0x20, 148, 156);
      const sum = header.reduce((total, byte) => total + (byte < 128 ? byte : byte - 256), 0);
      header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
    };
    expect(names(buildTar([{ name: 'größe', patch }]))).toEqual(['größe']);
  });

  it('names that are not UTF-8 stay different from each other', () => {
    const [a, b] = names(
      buildTar([{ name: Buffer.from([0x61, 0xfe]) }, { name: Buffer.from([0x61, 0xff]) }]),
    );
    expect(a).not.toBe(b);
    expect(a?.isWellFormed()).toBe(true);
  });

  it('sparse files are named as such, and their maps do not shift what follows', () => {
    const old = {
      ...file('old', 'abc'),
      type: 'S',
      magic: 'gnu' as const,
      patch: (header: Buffer) => {
        header.writeUInt8(1, 482);
        writeChecksum(header);
      },
    };
    const [header, ...rest] = [buildTar([old], { end: false })].flatMap((all) => [
      all.subarray(0, 512),
      Buffer.alloc(512),
      all.subarray(512),
    ]);
    const archive = Buffer.concat([header ?? Buffer.alloc(0), ...rest, buildTar([file('next', 'n')])]);
    const pax = buildTar([
      { ...file('GNUSparseFile.0/p', 'x'), pax: { 'GNU.sparse.name': 'p', 'GNU.sparse.major': '1' } },
    ]);
    expect(read(archive).entries).toMatchObject([
      { name: 'old', isSparse: true, content: 'abc' },
      { name: 'next', isSparse: false, content: 'n' },
    ]);
    expect(read(pax).entries).toMatchObject([{ name: 'p', isSparse: true }]);
  });

  it('two blocks of zeros end the archive; what follows is nobody’s', () => {
    expect(names(Buffer.concat([buildTar([file('a')]), buildTar([file('b')])]))).toEqual(['a']);
    expect(names(buildTar([file('a')], { end: false }))).toEqual(['a']);
  });

  it('global headers are ignored, and named when they would change something', () => {
    const plain = { name: 'g', type: 'g', content: paxContent({ comment: 'git' }) };
    const trap = { name: 'g', type: 'g', content: paxContent({ path: 'other' }) };
    expect(read(buildTar([plain, file('a')])).notes).toEqual([]);
    expect(read(buildTar([trap, file('a')]))).toMatchObject({
      entries: [{ name: 'a' }],
      notes: [expect.stringMatching(/global header/)],
    });
  });

  it('entries of unknown types are skipped with their content, and named', () => {
    const { entries, notes } = read(buildTar([{ name: 'v', type: 'V', content: 'abc' }, file('a')]));
    expect(entries.map((entry) => entry.name)).toEqual(['v', 'a']);
    expect(notes).toEqual([expect.stringMatching(/type "V"/)]);
  });
});

describe('what is no archive ends with a named fault', () => {
  const good = buildTar([file('a', 'abc'), file('b', 'def')]);

  it.each<[string, Buffer, RegExp]>([
    ['a wrong checksum', patched(good, 0, 0x41 ^ good.readUInt8(0)), /wrong checksum/],
    ['an end inside of a header', good.subarray(0, 700 + 400), /ends in the middle/],
    ['an end inside of content', buildTar([{ ...file('a', 'abc'), sizeBytes: 4000 }]), /ends in the middle/],
    ['text', Buffer.from('no archive at all '.repeat(100)), /checksum is no number/],
    ['an entry behind one block of zeros', Buffer.concat([Buffer.alloc(512), good]), /behind its end mark/],
    [
      'a PAX record that lies about its length',
      buildTar([{ name: 'x', type: 'x', content: '99 path=a\n' }, file('a')]),
      /extended header/,
    ],
    ['a PAX size that is no number', buildTar([{ ...file('a'), pax: { size: '1e3' } }]), /size is no number/],
    ['a size that is no number', patched(good, 124, 0x7a, true), /size is no number/],
  ])('%s', (_title, archive, message) => {
    expect(fault(archive)).toMatchObject({ code: 'LAYER_CORRUPT', message: expect.stringMatching(message) });
  });

  it.each<[string, Buffer, object, RegExp]>([
    [
      'too many entries',
      buildTar([file('a'), file('b'), file('c')]),
      { maxEntries: 2 },
      /more than 2 entries/,
    ],
    [
      'too long a path',
      buildTar([gnuLong('L', 'n'.repeat(200)), file('a')]),
      { maxPathBytes: 100 },
      /more than 100 bytes/,
    ],
    [
      'too large an extended header',
      buildTar([gnuLong('L', 'n'.repeat(2000)), file('a')]),
      { maxMetadataBytes: 1000 },
      /at most 1000/,
    ],
  ])('%s', (_title, archive, limits, message) => {
    expect(fault(archive, limits)).toMatchObject({
      code: 'LAYER_LIMIT',
      message: expect.stringMatching(message),
    });
  });

  function patched(archive: Buffer, at: number, value: number, fix = false): Buffer {
    const copy = Buffer.from(archive);
    copy.writeUInt8(value, at);
    if (fix) writeChecksum(copy.subarray(0, 512));
    return copy;
  }
});
