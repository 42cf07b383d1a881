import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildInventory, type LayerRecord } from '@sluice/domain/sbom';
import type { LayerReading } from '../layer-reader.ts';
import type { LayerLimits } from '../limits.ts';
import {
  blobOf,
  buildTar,
  directory,
  file,
  gnuLong,
  hardLink,
  recordOf,
  symlink,
  TAR,
} from '../testing/index.ts';
import { InlineLayerReader } from './inline-layer-reader.ts';

const GZIP = `${TAR}+gzip`;
const ZSTD = `${TAR}+zstd`;
const SIGNAL = new AbortController().signal;

function read(content: Buffer, mediaType = TAR, limits: Partial<LayerLimits> = {}): Promise<LayerReading> {
  return new InlineLayerReader(limits).read(blobOf(content, mediaType, 1000), { signal: SIGNAL });
}

function packageJson(name: string, version = '1.0.0'): string {
  return JSON.stringify({ name, version });
}

function packagesOf(record: LayerRecord): string[] {
  return record.files
    .flatMap((entry) =>
      entry.kind === 'packages'
        ? entry.packages.map(({ name, version }) => `${entry.path} ${name}@${version}`)
        : [],
    )
    .toSorted();
}

const STATUS = 'Package: bash\nStatus: install ok installed\nVersion: 5.2\nMaintainer: M <m@debian.org>\n';
const ELF = new URL('../testdata/buildinfo/', import.meta.url);
const goBinary = readFileSync(new URL('go-kubectl-1.33.elf', ELF));

describe('compression: what the bytes say counts', () => {
  const tar = buildTar([file('etc/alpine-release', '3.20.0\n'), file('x', 'y'.repeat(20_000))]);
  const half = Math.floor(tar.length / 2);
  const skippable = Buffer.concat([Buffer.from([0x52, 0x2a, 0x4d, 0x18, 5, 0, 0, 0]), Buffer.from('hello')]);
  const zstdFrames = Buffer.concat([
    skippable,
    zstdCompressSync(tar.subarray(0, half)),
    skippable,
    zstdCompressSync(tar.subarray(half)),
    skippable,
  ]);

  it.each<[string, Buffer, string]>([
    ['plain', tar, TAR],
    ['gzip', gzipSync(tar), GZIP],
    [
      'gzip of several members',
      Buffer.concat([gzipSync(tar.subarray(0, half)), gzipSync(tar.subarray(half))]),
      GZIP,
    ],
    ['gzip with zeros behind it', Buffer.concat([gzipSync(tar), Buffer.alloc(5000)]), GZIP],
    ['gzip declared as plain', gzipSync(tar), TAR],
    ['gzip of Docker', gzipSync(tar), 'application/vnd.docker.image.rootfs.diff.tar.gzip'],
    ['zstd', zstdCompressSync(tar), ZSTD],
    ['zstd of several frames and skippable ones', zstdFrames, ZSTD],
  ])('%s gives the same record and DiffID', async (_title, content, mediaType) => {
    const plain = await read(tar);
    for (const chunkBytes of [1, 3, 1000, 1_000_000]) {
      const blob = blobOf(content, mediaType, chunkBytes);
      expect(await new InlineLayerReader().read(blob, { signal: SIGNAL })).toEqual(plain);
    }
  });

  it.each<[string, Buffer, string, 'corrupt' | 'partial', RegExp]>([
    ['a cut gzip stream', gzipSync(tar).subarray(0, -9), GZIP, 'corrupt', /gzip stream is corrupt/],
    ['a changed gzip stream', changed(gzipSync(tar), 20), GZIP, 'corrupt', /gzip stream is corrupt/],
    [
      'gzip with something else behind it',
      Buffer.concat([gzipSync(tar), Buffer.from('garbage')]),
      GZIP,
      'corrupt',
      /gzip/,
    ],
    ['a cut zstd stream', zstdFrames.subarray(0, -30), ZSTD, 'corrupt', /zstd stream is corrupt/],
    [
      'zstd with something else behind it',
      Buffer.concat([zstdFrames, Buffer.from('garbage')]),
      ZSTD,
      'corrupt',
      /no frame begins/,
    ],
    ['plain bytes declared as gzip', tar, GZIP, 'corrupt', /declared as .*gzip/],
    ['bzip2', Buffer.from('BZh91AY&SY123456'), TAR, 'partial', /bzip2; gzip, zstd and plain tar are read/],
    ['an encrypted layer', tar, `${GZIP}+encrypted`, 'partial', /encrypted/],
    ['xz', Buffer.from('\xfd7zXZ\0\0\0\0\0', 'latin1'), TAR, 'partial', /xz/],
  ])('%s is named', async (_title, content, mediaType, state, reason) => {
    expect(await read(content, mediaType)).toEqual({
      outcome: 'unreadable',
      state,
      reason: expect.stringMatching(reason),
    });
  });

  it('content that does not have the digest of its blob is corrupt', async () => {
    const blob = { ...blobOf(gzipSync(tar), GZIP), digest: `sha256:${'0'.repeat(64)}` };
    const reading = await new InlineLayerReader().read(blob, { signal: SIGNAL });
    expect(reading).toMatchObject({
      outcome: 'unreadable',
      state: 'corrupt',
      reason: expect.stringMatching(/does not have the digest/),
    });
  });

  it('bombs stop at the limits of size and ratio', async () => {
    const bomb = gzipSync(Buffer.alloc(8 * 2 ** 20));
    const ratio = await read(bomb, GZIP, { maxRatio: 100, ratioFreeBytes: 2 ** 20 });
    expect(ratio).toMatchObject({ state: 'partial', reason: expect.stringMatching(/100 times/) });
    const size = await read(bomb, GZIP, { maxUncompressedBytes: 2 ** 20 });
    expect(size).toMatchObject({
      state: 'partial',
      reason: expect.stringMatching(/more than 1048576 bytes/),
    });
  });

  it('an error of the source is thrown as it is, and so is the reason of an abort', async () => {
    const lost = new Error('connection lost');
    const blob = { ...blobOf(gzipSync(tar), GZIP), open: async () => failing(gzipSync(tar), lost) };
    await expect(new InlineLayerReader().read(blob, { signal: SIGNAL })).rejects.toBe(lost);
    const abort = AbortSignal.abort(new Error('enough'));
    await expect(new InlineLayerReader().read(blobOf(tar), { signal: abort })).rejects.toThrow('enough');
  });

  async function* failing(content: Buffer, error: Error): AsyncGenerator<Buffer, void, undefined> {
    yield content.subarray(0, 50);
    throw error;
  }

  function changed(content: Buffer, at: number): Buffer {
    const copy = Buffer.from(content);
    copy.writeUInt8(copy.readUInt8(at) ^ 0xff, at);
    return copy;
  }
});

describe('what a layer says', () => {
  it('package files, distribution, links, whiteouts and opaque directories', async () => {
    const record = await recordOf([
      directory('./etc/'),
      file('./etc/debian_version', '12.5\n'),
      file('var/lib/dpkg/status', STATUS),
      file('app/node_modules/a/package.json', packageJson('a')),
      file('lib/python3/x-1.dist-info/METADATA', 'Name: x\nVersion: 1\n\n'),
      file('usr/bin/kubectl', goBinary),
      file('usr/share/x.jar'),
      symlink('lib64', 'usr/lib64'),
      file('gone/.wh.old'),
      file('.wh.top'),
      file('hidden/.wh..wh..opq'),
      file('aufs/.wh..wh.plnk'),
    ]);
    expect(packagesOf(record).filter((entry) => !entry.startsWith('usr/bin/kubectl'))).toEqual([
      'app/node_modules/a/package.json a@1.0.0',
      'lib/python3/x-1.dist-info/METADATA x@1',
      'var/lib/dpkg/status bash@5.2',
    ]);
    expect(packagesOf(record).filter((entry) => entry.startsWith('usr/bin/kubectl'))).toHaveLength(83);
    expect(record).toMatchObject({
      state: 'complete',
      reasons: [],
      links: [{ path: 'lib64', target: 'usr/lib64' }],
      whiteouts: ['gone/old', 'top'],
      opaque: ['hidden'],
    });
    expect(record.files.filter((entry) => entry.kind === 'unread')).toMatchObject([
      { path: 'usr/share/x.jar' },
    ]);
  });

  it('of duplicate entries the last one counts, whatever it is', async () => {
    const path = 'node_modules/a/package.json';
    const twice = [file(path, packageJson('a')), file(path, packageJson('a', '2.0.0'))];
    expect(packagesOf(await recordOf(twice))).toEqual([`${path} a@2.0.0`]);
    expect(packagesOf(await recordOf([file('bin/x', goBinary), file('bin/x', '#!/bin/sh')]))).toEqual([]);
    expect(packagesOf(await recordOf([file(path, packageJson('a')), symlink(path, 'x')]))).toEqual([]);
    expect(packagesOf(await recordOf([file(path, packageJson('a')), file('node_modules', '')]))).toEqual([]);
  });

  it('a file that is written through a link of its own layer lands where the link leads', async () => {
    const record = await recordOf([symlink('lib', 'usr/lib'), file('lib/apk/db/installed', 'P:musl\nV:1\n')]);
    expect(packagesOf(record)).toEqual(['usr/lib/apk/db/installed musl@1']);
    expect(buildInventory([record, await recordOf([file('etc/alpine-release', '3.20.1')])])).toMatchObject({
      packages: [{ name: 'musl', ecosystem: 'Alpine:v3.20' }],
      gaps: [],
    });
  });

  it('long names of GNU and PAX are those of the files', async () => {
    const path = `node_modules/${'x'.repeat(120)}/package.json`;
    const gnu = await recordOf([gnuLong('L', path), file('short', packageJson('a'))]);
    const pax = await recordOf([{ ...file('short', packageJson('a')), pax: { path } }]);
    expect(packagesOf(gnu)).toEqual([`${path} a@1.0.0`]);
    expect(packagesOf(pax)).toEqual([`${path} a@1.0.0`]);
  });

  it.each<[string, Parameters<typeof recordOf>[0], RegExp]>([
    [
      'an entry that leads out of the image',
      [file('../../etc/debian_version', '12.1')],
      /leads out of the image/,
    ],
    ['a sparse file', [{ ...file('a', 'x'), pax: { 'GNU.sparse.major': '1' } }], /sparse/],
    ['an unknown type of entry', [{ ...file('a'), type: 'V' }], /type "V"/],
    ['a distribution file of megabytes', [file('etc/os-release', 'ID=x\n'.repeat(20_000))], /too many/],
  ])('%s leaves the record partial', async (_title, entries, reason) => {
    const record = await recordOf(entries);
    expect(record).toMatchObject({ state: 'partial', reasons: [expect.stringMatching(reason)] });
  });

  it('an entry that leads out of the image counts inside of it, as runtimes unpack it', async () => {
    const record = await recordOf([file('../../var/lib/dpkg/status', STATUS)]);
    expect(packagesOf(record)).toEqual(['var/lib/dpkg/status bash@5.2']);
  });

  it('a manifest that is too large is a problem of that file', async () => {
    const record = await recordOf([file('node_modules/a/package.json', ' '.repeat(5 * 2 ** 20))]);
    expect(record.files).toMatchObject([
      { kind: 'packages', problem: expect.stringMatching(/bytes are more than/) },
    ]);
  });

  it('limits on packages and entries end in a partial record', async () => {
    const files = Array.from({ length: 5 }, (_, index) =>
      file(`node_modules/a${index}/package.json`, packageJson(`a${index}`)),
    );
    expect(await recordOf(files, { maxPackages: 3 })).toMatchObject({
      state: 'partial',
      reasons: [expect.stringMatching(/more than 3 packages/)],
    });
    const entries = await recordOf(files, { maxEntries: 3 });
    expect(entries).toMatchObject({
      state: 'partial',
      reasons: [expect.stringMatching(/more than 3 entries/)],
    });
    expect(packagesOf(entries)).toHaveLength(3);
  });

  it('a record that would take too much memory is cut off and partial', async () => {
    const links = Array.from({ length: 50 }, (_, index) => symlink(`l${index}`, 'target'));
    const record = await recordOf(links, { maxRecordBytes: 5000 });
    expect(record).toMatchObject({
      state: 'partial',
      reasons: [expect.stringMatching(/more than 5000 bytes/)],
    });
    expect(record.links.length).toBeLessThan(30);
  });

  it('paths of absurd depth are left out and named', async () => {
    const deep = `${'a/'.repeat(300)}node_modules/x/package.json`;
    const record = await recordOf([gnuLong('L', deep), file('x', packageJson('x'))]);
    expect(record).toMatchObject({
      state: 'partial',
      files: [],
      reasons: [expect.stringMatching(/255 directories/)],
    });
  });

  it('an archive that replaces its own directories without end is read all the same', async () => {
    const entries = Array.from({ length: 1500 }, () => [
      file('node_modules/a/package.json', packageJson('a')),
      file('node_modules', ''),
    ]).flat();
    expect(await recordOf(entries)).toMatchObject({
      state: 'partial',
      reasons: [expect.stringMatching(/too often/)],
    });
  });

  it('an archive that breaks off keeps its DiffID and what came before, and is corrupt', async () => {
    const whole = buildTar([
      file('node_modules/a/package.json', packageJson('a')),
      file('b', 'x'.repeat(3000)),
    ]);
    const reading = await read(whole.subarray(0, 2000));
    expect(reading).toMatchObject({
      record: { state: 'corrupt', reasons: [expect.stringMatching(/ends in the middle/)], sizeBytes: 2000 },
    });
    expect(reading.outcome === 'cataloged' && packagesOf(reading.record)).toEqual([
      'node_modules/a/package.json a@1.0.0',
    ]);
  });

  it('an empty layer is complete and empty', async () => {
    for (const content of [Buffer.alloc(0), buildTar([]), Buffer.alloc(10_240)]) {
      expect(await read(content)).toMatchObject({
        outcome: 'cataloged',
        record: { state: 'complete', entries: 0 },
      });
    }
  });
});

describe('package files that are reached through links', () => {
  const status = file('opt/dpkg/status', STATUS);
  const os = file('etc/debian_version', '12.1');

  it.each<[string, Parameters<typeof recordOf>[0], string]>([
    [
      'a database behind a linked directory',
      [os, symlink('var/lib/dpkg', '/opt/dpkg'), status],
      'opt/dpkg/status',
    ],
    [
      'a database behind a linked file, link last',
      [os, status, symlink('var/lib/dpkg/status', '../../../opt/dpkg/status')],
      'opt/dpkg/status',
    ],
    [
      'a hard link to a database',
      [os, status, hardLink('var/lib/dpkg/status', 'opt/dpkg/status')],
      'var/lib/dpkg/status',
    ],
  ])('%s is read', async (_title, entries, path) => {
    expect(buildInventory([await recordOf(entries)])).toMatchObject({
      packages: [{ name: 'bash', path }],
      gaps: [],
    });
  });

  it('a store of hard links (pnpm): each place that npm sees is a package', async () => {
    const record = await recordOf([
      file('store/ab/cdef', packageJson('a')),
      hardLink('x/node_modules/a/package.json', 'store/ab/cdef'),
      hardLink('y/node_modules/a/package.json', 'store/ab/cdef'),
    ]);
    expect(packagesOf(record)).toEqual([
      'x/node_modules/a/package.json a@1.0.0',
      'y/node_modules/a/package.json a@1.0.0',
    ]);
  });

  it('node_modules as a link to another directory', async () => {
    const record = await recordOf([
      symlink('app/node_modules', '../deps'),
      directory('deps'),
      file('deps/a/package.json', packageJson('a')),
    ]);
    expect(packagesOf(record)).toEqual(['deps/a/package.json a@1.0.0']);
  });

  it('a hard link to a Go binary is one as well', async () => {
    const record = await recordOf([file('bin/x', goBinary), hardLink('bin/y', 'bin/x')]);
    expect(record.files.map(({ path }) => path)).toEqual(['bin/x', 'bin/y']);
  });

  it('links that lead nowhere, in circles or out of the image end well', async () => {
    const record = await recordOf([
      symlink('var/lib/dpkg/status', 'status'),
      symlink('a', 'b'),
      symlink('b', 'a'),
      file('a/node_modules/x/package.json', packageJson('x')),
      symlink('etc/os-release', '../../../../etc/shadow'),
      hardLink('lib/apk/db/installed', 'nowhere'),
    ]);
    expect(record.state).toBe('complete');
    expect(packagesOf(record)).toEqual(['a/node_modules/x/package.json x@1.0.0']);
  });

  it('an executable whose information lies behind what was kept is read once more', async () => {
    const blob = blobOf(buildTar([file('bin/old', oldGoBinary())]));
    const reading = await new InlineLayerReader().read(blob, { signal: SIGNAL });
    expect(reading.outcome === 'cataloged' && packagesOf(reading.record)).toEqual(['bin/old stdlib@1.16.15']);
    expect(blob.opened).toBeGreaterThan(1);
    const once = await new InlineLayerReader({ maxPasses: 1 }).read(blob, { signal: SIGNAL });
    expect(once).toMatchObject({
      record: { state: 'partial', reasons: [expect.stringMatching(/bin\/old: the build information/)] },
    });
  });

  /** Like go-build-info.spec.ts in small: pointers from the data to text that has already passed. */
  function oldGoBinary(): Buffer {
    const elf = Buffer.alloc(0x6000);
    elf.write('\x7fELF\x02\x01', 0, 'latin1');
    elf.writeBigUInt64LE(64n, 32);
    elf.writeUInt16LE(56, 54);
    elf.writeUInt16LE(1, 56);
    elf.writeUInt32LE(1, 64);
    elf.writeUInt32LE(6, 68);
    elf.writeBigUInt64LE(0x10000n, 80);
    elf.writeBigUInt64LE(0x6000n, 96);
    elf.write('go1.16.15', 0x2000, 'latin1');
    const modules = `${'0'.repeat(16)}path\tcommand-line-arguments\n${'1'.repeat(16)}`;
    elf.write(modules, 0x2100, 'latin1');
    elf.write('\xff Go buildinf:\x08\x00', 0x5000, 'latin1');
    elf.writeBigUInt64LE(0x12200n, 0x5010);
    elf.writeBigUInt64LE(0x12300n, 0x5018);
    elf.writeBigUInt64LE(0x12000n, 0x2200);
    elf.writeBigUInt64LE(9n, 0x2208);
    elf.writeBigUInt64LE(0x12100n, 0x2300);
    elf.writeBigUInt64LE(BigInt(modules.length), 0x2308);
    return elf;
  }
});

describe('files that a package of the distribution installed', () => {
  const egg = 'usr/lib/python3/dist-packages/yaml-6.egg-info';
  const metadata = file(egg, 'Name: PyYAML\nVersion: 6.0\n');
  const stanza = (maintainer: string): string =>
    `Package: python3-yaml\nStatus: install ok installed\nVersion: 6.0-3\nMaintainer: ${maintainer}\n`;
  const owner = async (entries: Parameters<typeof recordOf>[0]): Promise<string | null | undefined> => {
    const entry = (await recordOf(entries)).files.find(({ path }) => path === egg);
    return entry?.kind === 'packages' ? entry.ownedBy : undefined;
  };

  it('dpkg: by the list of files, before or behind them, with the architecture in its name', async () => {
    const list = file('var/lib/dpkg/info/python3-yaml:amd64.list', `/.\n/usr\n/${egg}\n`);
    const status = file('var/lib/dpkg/status', stanza('Debian Python Team <team@tracker.debian.org>'));
    expect(await owner([metadata, list, status])).toBe('python3-yaml');
    expect(await owner([status, list, metadata])).toBe('python3-yaml');
    expect(await owner([metadata, status])).toBeNull();
  });

  it('dpkg: not of a package that somebody else maintains', async () => {
    const list = file('var/lib/dpkg/info/python3-yaml.list', `/${egg}\n`);
    const status = file('var/lib/dpkg/status', stanza('Vendor <dev@vendor.example>'));
    expect(await owner([metadata, list, status])).toBeNull();
  });

  it('status.d: by the checksums beside the stanza', async () => {
    const status = file('var/lib/dpkg/status.d/python3-yaml', stanza('D <x@debian.org>'));
    const sums = file('var/lib/dpkg/status.d/python3-yaml.md5sums', `0123456789abcdef  ${egg}\n`);
    expect(await owner([status, sums, metadata])).toBe('python3-yaml');
  });

  it('apk: by the database', async () => {
    const database = `P:py3-yaml\nV:6.0\nF:usr/lib/python3/dist-packages\nR:yaml-6.egg-info\n`;
    expect(await owner([metadata, file('lib/apk/db/installed', database)])).toBe('py3-yaml');
  });

  it('a merged /usr: the list says /lib, the archive usr/lib', async () => {
    const jar = file('usr/lib/x.jar');
    const list = file('var/lib/dpkg/info/x.list', '/lib/x.jar\n');
    const status = file('var/lib/dpkg/status', 'Package: x\nVersion: 1\nMaintainer: D <x@debian.org>\n');
    const record = await recordOf([jar, list, status]);
    expect(record.files.find(({ path }) => path === 'usr/lib/x.jar')).toMatchObject({ ownedBy: 'x' });
  });
});

describe('hostile archives of others', () => {
  const directoryUrl = new URL('../testdata/layers/', import.meta.url);

  it.each(readdirSync(directoryUrl))('%s gives a record and no exception', async (name) => {
    const reading = await read(readFileSync(new URL(name, directoryUrl)));
    expect(reading).toMatchObject({ outcome: 'cataloged', record: { files: [] } });
    if (reading.outcome === 'cataloged') expect(() => buildInventory([reading.record])).not.toThrow();
  });
});

describe('any bytes', () => {
  const seed = buildTar([
    file('var/lib/dpkg/status', STATUS),
    gnuLong('L', 'node_modules/a/package.json'),
    file('x', packageJson('a')),
    { ...file('y', 'abc'), pax: { path: 'etc/os-release', size: '3' } },
    symlink('lib', 'usr/lib'),
    hardLink('lib/apk/db/installed', 'y'),
    file('bin/go', goBinary.subarray(0, 2000)),
  ]);

  it('a changed archive gives a record that can be merged, and never an exception', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 }),
        fc.boolean(),
        async (changes, isCompressed) => {
          const content = Buffer.from(seed);
          for (const [at, value] of changes) content.writeUInt8(value, at);
          const reading = await read(isCompressed ? gzipSync(content) : content);
          if (reading.outcome === 'cataloged') buildInventory([reading.record]);
          else expect(reading.reason).not.toBe('');
        },
      ),
      { seed: 17, numRuns: 400 },
    );
  });

  it('a changed compressed stream is corrupt, cut or harmless, and never an exception', async () => {
    const streams = [gzipSync(seed), zstdCompressSync(seed)] as const;
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...streams),
        fc.array(fc.tuple(fc.nat(2000), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        async (stream, changes) => {
          const content = Buffer.from(stream);
          for (const [at, value] of changes) if (at < content.length) content.writeUInt8(value, at);
          expect(['cataloged', 'unreadable']).toContain((await read(content)).outcome);
        },
      ),
      { seed: 19, numRuns: 400 },
    );
  });
});
