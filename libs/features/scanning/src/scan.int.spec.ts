import { gzipSync } from 'node:zlib';
import { buildImage, buildLayer, type Layer } from '@sluice/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AdvisoryImporter } from './advisory-importer.ts';
import { AdvisoryRematcher } from './advisory-rematcher.ts';
import { ArtifactScanner } from './artifact-scanner.ts';
import type { ScanCheckpoint } from './context.ts';
import { ImageMatcher } from './image-matcher.ts';
import { type PushedImage, ScanLab, sha256 } from './testing/scan-lab.ts';
import { buildZip } from './testing/zip.ts';

const OS = { path: 'etc/os-release', content: 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n' };

function status(packages: Record<string, string>): { path: string; content: string } {
  const stanzas = Object.entries(packages).map(
    ([name, version]) =>
      `Package: ${name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: ${version}\n`,
  );
  return { path: 'var/lib/dpkg/status', content: stanzas.join('\n') };
}

function packageJson(name: string, version: string): { path: string; content: string } {
  return { path: `app/node_modules/${name}/package.json`, content: JSON.stringify({ name, version }) };
}

function osv(id: string, ecosystem: string, name: string, fixed: string, change: object = {}): object {
  return {
    id,
    modified: '2024-01-01T00:00:00Z',
    affected: [
      {
        package: { ecosystem, name },
        ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed }] }],
      },
    ],
    ...change,
  };
}

const OPENSSL = osv('DSA-1-1', 'Debian:12', 'openssl', '3.0.11', { upstream: ['CVE-2024-1'] });
const LODASH = osv('GHSA-l', 'npm', 'lodash', '4.17.21', {
  aliases: ['CVE-2024-2'],
  database_specific: { severity: 'CRITICAL' },
});

describe('scanning', () => {
  let lab: ScanLab;
  let base: Layer;

  beforeAll(async () => {
    lab = await ScanLab.create();
    base = await buildLayer([OS, status({ openssl: '3.0.9', bash: '5.2' })]);
  });
  afterAll(() => lab.close());
  beforeEach(() => lab.reset());

  const matcher = (): ImageMatcher => new ImageMatcher(lab.inventories);
  const scanner = (checkpoint?: (name: ScanCheckpoint) => void): ArtifactScanner =>
    new ArtifactScanner(lab.inventories, lab.blobs, lab.layers, matcher(), checkpoint);
  const rematch = (): Promise<number> =>
    new AdvisoryRematcher(lab.advisories, lab.inventories, matcher()).rematch(lab.context());

  async function load(name: string, ...records: object[]): Promise<void> {
    const zip = buildZip(
      Object.fromEntries(records.map((record, index) => [`${index}.json`, JSON.stringify(record)])),
    );
    await new AdvisoryImporter(lab.advisories).importStream(stream(zip), name, lab.context());
  }

  async function* stream(bytes: Buffer): AsyncGenerator<Buffer, void, undefined> {
    yield bytes;
  }

  /** An image whose config and layers are what the test says. */
  function imageOf(
    layers: readonly Layer[],
    change: { diffIds?: unknown; config?: Buffer } = {},
  ): PushedImage {
    const image = buildImage(layers);
    const config =
      change.config ??
      Buffer.from(
        JSON.stringify({
          os: 'linux',
          rootfs: { type: 'layers', diff_ids: change.diffIds ?? layers.map(({ diffId }) => diffId) },
        }),
      );
    const manifest = JSON.parse(image.manifest.bytes.toString()) as { config: object };
    manifest.config = { ...manifest.config, digest: sha256(config), size: config.length };
    const bytes = Buffer.from(JSON.stringify(manifest));
    return {
      manifest: { bytes, digest: sha256(bytes), mediaType: image.manifest.mediaType },
      blobs: [{ digest: sha256(config), bytes: config }, ...layers],
    };
  }

  async function scanned(
    image: PushedImage,
  ): Promise<{ state: string; reasons: string } & { digest: string }> {
    const request = await lab.push(image);
    await scanner().scan(request, lab.context());
    const evidence = await lab.evidence(request.digest);
    return {
      digest: request.digest,
      state: evidence?.state ?? 'none',
      reasons: evidence?.reasons.join('\n') ?? '',
    };
  }

  it('writes findings as evidence of the digest and tells that it changed, in one go', async () => {
    await load('Debian', OPENSSL);
    await load('npm', LODASH);
    const app = await buildLayer([packageJson('lodash', '4.17.20')], 'zstd');
    const { digest } = await scanned(imageOf([base, app]));
    expect(await lab.evidence(digest)).toMatchObject({
      kind: 'scan',
      state: 'findings',
      reasons: [],
      packages: 3,
      engine: 'sluice-scanner/1',
      advisoryRevision: 2,
      findings: [
        {
          advisory: 'GHSA-l',
          severity: 'critical',
          fixedVersion: '4.17.21',
          layer: app.diffId,
          package: { name: 'lodash' },
        },
        {
          advisory: 'DSA-1-1',
          aliases: ['CVE-2024-1'],
          severity: 'unknown',
          fixedVersion: '3.0.11',
          layer: base.diffId,
        },
      ],
    });
    expect(await lab.events('evidence.changed')).toEqual([{ digest, repositoryId: null }]);
  });

  it('a second image on the same base reads only its own layer', async () => {
    const [one, two] = [
      await buildLayer([packageJson('a', '1.0.0')]),
      await buildLayer([packageJson('b', '1.0.0')]),
    ];
    await scanner().scan(await lab.push(imageOf([base, one])), lab.context());
    lab.layers.digests.length = 0;
    const summary = await scanner().scan(await lab.push(imageOf([base, two])), lab.context());
    expect(lab.layers.digests).toEqual([two.digest]);
    expect(summary).toEqual({ read: [two.digest], known: [base.digest] });
  });

  it('the same bytes in another compression are read once more, because only reading proves a DiffID', async () => {
    const entries = [OS, status({ bash: '5.2' })];
    const [gzip, zstd] = [await buildLayer(entries), await buildLayer(entries, 'zstd')];
    expect(zstd.diffId).toBe(gzip.diffId);
    await scanner().scan(await lab.push(imageOf([gzip])), lab.context());
    await scanner().scan(await lab.push(imageOf([zstd])), lab.context());
    expect(lab.layers.digests).toEqual([gzip.digest, zstd.digest]);
    const rows = await lab.database.source.query('SELECT diff_id FROM layer_record');
    expect(rows).toHaveLength(1);
  });

  it('a scan that is repeated reads nothing and changes nothing', async () => {
    const request = await lab.push(imageOf([base]));
    await scanner().scan(request, lab.context());
    lab.layers.digests.length = 0;
    expect(await scanner().scan(request, lab.context())).toEqual({ read: [], known: [] });
    expect(lab.layers.digests).toEqual([]);
    expect(await lab.events('evidence.changed')).toHaveLength(1);
  });

  it('tells its progress in bytes', async () => {
    const context = lab.context();
    await scanner().scan(await lab.push(imageOf([base])), context);
    const size = base.bytes.length;
    expect(context.steps.at(-1)).toBe(`${size}/${size} bytes`);
  });

  it('an artifact that is gone or is no image needs no scan', async () => {
    const request = await lab.push(imageOf([base]), 'artifact');
    expect(await scanner().scan(request, lab.context())).toBeNull();
    const gone = { ...request, manifestId: '01900000-0000-7000-8000-000000000000' };
    expect(await scanner().scan(gone, lab.context())).toBeNull();
    expect(await lab.evidence(request.digest)).toBeNull();
  });

  describe('without advisories', () => {
    it('the state is no-data, and the revision tells whether there ever were any', async () => {
      const never = await scanned(imageOf([base]));
      expect(never).toMatchObject({ state: 'no-data', reasons: 'no advisory data was ever loaded' });
      expect(await lab.evidence(never.digest)).toMatchObject({ advisoryRevision: null });
      await load('npm', LODASH);
      const other = await scanned(imageOf([base, await buildLayer([packageJson('a', '1.0.0')])]));
      expect(other).toMatchObject({ state: 'no-data', reasons: 'there is no advisory data for Debian:12' });
      await lab.database.source.query('DELETE FROM advisory');
      const removed = await scanned(imageOf([await buildLayer([packageJson('b', '1.0.0')])]));
      expect(await lab.evidence(removed.digest)).toMatchObject({ state: 'no-data', advisoryRevision: 1 });
    });

    it('an image without packages is ok all the same', async () => {
      expect(await scanned(imageOf([]))).toMatchObject({ state: 'ok', reasons: '' });
    });
  });

  describe('what is wrong with an image becomes the state of its evidence', () => {
    const layerOf = (bytes: Buffer, diffId = sha256(bytes)): Layer => ({
      bytes,
      diffId,
      digest: sha256(bytes),
      mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    });

    it.each<[string, () => Promise<PushedImage>, string, RegExp]>([
      [
        'a broken gzip stream',
        async () => imageOf([base, layerOf(base.bytes.subarray(0, -20))]),
        'error',
        /gzip stream is corrupt/,
      ],
      [
        'a layer that is no archive',
        async () =>
          imageOf([layerOf(gzipSync(Buffer.from('x'.repeat(5000))), sha256(Buffer.from('x'.repeat(5000))))]),
        'error',
        /header/,
      ],
      [
        'a bomb',
        async () => imageOf([base, layerOf(gzipSync(Buffer.alloc(8 * 2 ** 20)))]),
        'partial',
        /decompression bomb/,
      ],
      [
        'a DiffID that is another',
        async () => imageOf([base], { diffIds: [`sha256:${'0'.repeat(64)}`] }),
        'error',
        /says that the layer unpacks to sha256:0000/,
      ],
      [
        'too few DiffIDs',
        async () => imageOf([base], { diffIds: [] }),
        'error',
        /lists 0 layers .*, the manifest 1/,
      ],
      [
        'DiffIDs that are no list',
        async () => imageOf([base], { diffIds: 'sha256:x' }),
        'error',
        /does not list its layers/,
      ],
      [
        'a config that is no JSON',
        async () => imageOf([base], { config: Buffer.from('{') }),
        'error',
        /is not JSON/,
      ],
      [
        'a config of another kind',
        async () => imageOf([base], { config: Buffer.from('null') }),
        'error',
        /does not list its layers/,
      ],
      [
        'only files that nobody knows',
        async () => imageOf([await buildLayer([{ path: 'init', content: 'x' }])]),
        'unsupported',
        /nothing that can be inventoried/,
      ],
      [
        'an rpm database',
        async () => imageOf([await buildLayer([{ path: 'var/lib/rpm/rpmdb.sqlite', content: 'x' }])]),
        'unsupported',
        /rpm database/,
      ],
      [
        'packages beside an rpm database',
        async () => imageOf([base, await buildLayer([{ path: 'var/lib/rpm/Packages', content: 'x' }])]),
        'partial',
        /rpm database/,
      ],
    ])('%s', async (_title, image, state, reason) => {
      const result = await scanned(await image());
      expect(result.state).toBe(state);
      expect(result.reasons).toMatch(reason);
    });

    it('what other layers say is kept', async () => {
      await load('Debian', OPENSSL);
      const { digest } = await scanned(imageOf([base, layerOf(Buffer.from([0x1f, 0x8b, 1]))]));
      expect(await lab.evidence(digest)).toMatchObject({
        state: 'error',
        packages: 2,
        findings: [{ advisory: 'DSA-1-1' }],
      });
    });

    it('a blob that is lost is an error, and a later scan sees that it is back', async () => {
      const image = imageOf([base]);
      const request = await lab.push(image);
      await lab.loseBlob(base.digest);
      await scanner().scan(request, lab.context());
      expect(await lab.evidence(request.digest)).toMatchObject({
        state: 'error',
        reasons: [expect.stringMatching(/has lost the content of the layer/)],
      });
      const key = lab.blobs.newKey();
      const done = await lab.blobs.append({ key, offset: 0, state: null }, stream(base.bytes));
      await lab.blobs.finish({ key, offset: done.offset, state: done.state });
      await lab.database.source.query('UPDATE blob SET object_key = $1 WHERE digest = $2', [
        key,
        base.digest,
      ]);
      await scanner().scan(request, lab.context());
      expect(await lab.evidence(request.digest)).toMatchObject({ state: 'no-data' });
    });

    it('a lost config is an error', async () => {
      const image = imageOf([base]);
      const request = await lab.push(image);
      await lab.loseBlob(image.blobs[0]?.digest ?? '');
      await scanner().scan(request, lab.context());
      expect(await lab.evidence(request.digest)).toMatchObject({
        state: 'error',
        reasons: expect.arrayContaining([expect.stringMatching(/lost the configuration/)]),
      });
    });

    it('a layer that a registry need not have is partial, any other missing one an error', async () => {
      const foreign = { ...base, mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip' };
      const own = await buildLayer([packageJson('a', '1.0.0')]);
      const withForeign = imageOf([foreign, own]);
      const blobs = withForeign.blobs.filter(({ digest }) => digest !== base.digest);
      expect(await scanned({ ...withForeign, blobs })).toMatchObject({
        state: 'partial',
        reasons: expect.stringMatching(/non-distributable/),
      });
      const plain = imageOf([base, own]);
      const missing = plain.blobs.filter(({ digest }) => digest !== base.digest);
      expect(await scanned({ ...plain, blobs: missing })).toMatchObject({
        state: 'error',
        reasons: expect.stringMatching(/not in the registry/),
      });
    });
  });

  it('names that nobody can store as they are do not stop a scan', async () => {
    const cut = `../../${'x'.repeat(93)}\u{1f600}`;
    const odd = await buildLayer([
      { path: cut, content: '' },
      { path: 'app/node_modules/a/package.json', content: '{"name":"a\\ud800\\u0000b","version":"1.0.0"}' },
    ]);
    expect(await scanned(imageOf([base, odd]))).toMatchObject({
      state: 'partial',
      reasons: expect.stringMatching(/leads out of the image/),
    });
  });

  it('a storage that does not answer is thrown, so that the job is tried again', async () => {
    const request = await lab.push(imageOf([base]));
    const broken = Object.assign(Object.create(lab.blobs) as typeof lab.blobs, {
      read: () => Promise.reject(new Error('no connection')),
    });
    const failing = new ArtifactScanner(lab.inventories, broken, lab.layers, matcher());
    await expect(failing.scan(request, lab.context())).rejects.toThrow('no connection');
    expect(await lab.evidence(request.digest)).toBeNull();
  });

  it('a cancelled scan says nothing and keeps the layers that it has read', async () => {
    const request = await lab.push(imageOf([base, await buildLayer([packageJson('a', '1.0.0')])]));
    const controller = new AbortController();
    const cancelling = scanner(() => controller.abort(new Error('cancelled')));
    await expect(cancelling.scan(request, lab.context(controller.signal))).rejects.toThrow('cancelled');
    expect(await lab.evidence(request.digest)).toBeNull();
    lab.layers.digests.length = 0;
    await scanner().scan(request, lab.context());
    expect(lab.layers.digests).toHaveLength(1);
  });

  it.each<ScanCheckpoint>(['scan.layer-recorded', 'scan.before-evidence', 'scan.after-evidence'])(
    'a crash at %s leaves nothing half-done, and the next attempt comes to the same end',
    async (point) => {
      await load('Debian', OPENSSL);
      const request = await lab.push(imageOf([base]));
      const crashing = scanner((name) => {
        if (name === point) throw new Error('crash');
      });
      await expect(crashing.scan(request, lab.context())).rejects.toThrow('crash');
      const half = await lab.evidence(request.digest);
      expect(half === null).toBe(point !== 'scan.after-evidence');
      await scanner().scan(request, lab.context());
      expect(lab.layers.digests).toEqual([base.digest]);
      expect(await lab.evidence(request.digest)).toMatchObject({ state: 'findings' });
      expect(await lab.events('evidence.changed')).toHaveLength(1);
    },
  );

  describe('matching again', () => {
    it('touches only images with a package that the new advisories speak of, and reads no layer', async () => {
      await load('Debian', osv('DSA-9-1', 'Debian:12', 'zlib', '1'));
      const other = await buildLayer([OS, status({ curl: '7.88' })]);
      const [hit, missed] = [await scanned(imageOf([base])), await scanned(imageOf([other]))];
      expect([hit.state, missed.state]).toEqual(['ok', 'ok']);
      await rematch();
      lab.layers.digests.length = 0;
      await load('Debian', OPENSSL);
      expect(await rematch()).toBe(1);
      expect(await lab.evidence(hit.digest)).toMatchObject({ state: 'findings', advisoryRevision: 2 });
      expect(await lab.evidence(missed.digest)).toMatchObject({ state: 'ok', advisoryRevision: 1 });
      expect(lab.layers.digests).toEqual([]);
      expect(await rematch()).toBe(0);
    });

    it('covers several imports at once, and images that had no data before', async () => {
      const { digest } = await scanned(imageOf([base]));
      await load('npm', LODASH);
      await load('Debian', osv('DSA-9-1', 'Debian:12', 'zlib', '1'));
      expect(await rematch()).toBe(1);
      expect(await lab.evidence(digest)).toMatchObject({ state: 'ok', advisoryRevision: 2 });
    });

    it('a record that is withdrawn, or no longer speaks of the package, takes its findings back', async () => {
      await load('Debian', OPENSSL, osv('DSA-2-1', 'Debian:12', 'bash', '9'));
      const { digest } = await scanned(imageOf([base]));
      expect((await lab.evidence(digest))?.findings).toHaveLength(2);
      await rematch();
      await load(
        'Debian',
        { ...OPENSSL, withdrawn: '2025-01-01T00:00:00Z' },
        osv('DSA-2-1', 'Debian:12', 'other', '9'),
      );
      await rematch();
      expect(await lab.evidence(digest)).toMatchObject({ state: 'ok', findings: [] });
    });

    it('evidence is never older than the advisories: a scan waits for a commit and sees it', async () => {
      await load('Debian', osv('DSA-9-1', 'Debian:12', 'zlib', '1'));
      const request = await lab.push(imageOf([base]));
      let scan: Promise<unknown> = Promise.resolve();
      const importer = new AdvisoryImporter(lab.advisories, undefined, async () => {
        // The import holds its rows and has not committed; the scan runs up to its evidence meanwhile.
        scan = scanner().scan(request, lab.context());
        await new Promise((resolve) => setTimeout(resolve, 200));
      });
      const zip = buildZip({ 'a.json': JSON.stringify(OPENSSL) });
      await importer.importStream(stream(zip), 'Debian', lab.context());
      await scan;
      await rematch();
      expect(await lab.evidence(request.digest)).toMatchObject({ state: 'findings', advisoryRevision: 2 });
    });
  });
});
