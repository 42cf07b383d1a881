import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { AdvisoryImporter } from './advisory-importer.ts';
import { ScanLab } from './testing/scan-lab.ts';
import { buildZip } from './testing/zip.ts';

function osv(id: string, change: object = {}): string {
  return JSON.stringify({
    id,
    modified: '2024-01-01T00:00:00Z',
    affected: [{ package: { ecosystem: 'npm', name: id.toLowerCase() }, versions: ['1.0.0'] }],
    ...change,
  });
}

describe('importing advisories', () => {
  let lab: ScanLab;
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sluice-osv-'));
    lab = await ScanLab.create();
  });
  afterAll(async () => {
    await lab.close();
    await rm(directory, { recursive: true });
  });
  beforeEach(() => lab.reset());

  const importer = (): AdvisoryImporter =>
    new AdvisoryImporter(lab.advisories, () => new Date('2025-01-01T00:00:00Z'));

  async function file(name: string, content: Buffer | string): Promise<string> {
    const path = join(directory, name);
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, content);
    return path;
  }

  async function ids(): Promise<string[]> {
    const rows = await lab.database.source.query<{ key: string }[]>('SELECT key FROM advisory ORDER BY key');
    return rows.map((row) => row.key);
  }

  it('counts what a file adds, changes, withdraws and leaves alone, revision by revision', async () => {
    const first = buildZip({ 'a.json': osv('A'), 'b.json': osv('B'), 'modified_id.csv': 'ignored' });
    const second = buildZip({
      'a.json': osv('A'),
      'b.json': osv('B', { withdrawn: '2024-06-01T00:00:00Z' }),
      'c.json': osv('C', { modified: '2027-07-01T00:00:00Z' }),
    });
    const path = await file('counts.zip', first);
    expect(await importer().importFile(path, lab.context())).toMatchObject({
      revision: 1,
      records: 2,
      added: 2,
      changed: 0,
    });
    expect(await importer().importFile(path, lab.context())).toMatchObject({
      revision: 2,
      added: 0,
      unchanged: 2,
    });
    await file('counts.zip', second);
    expect(await importer().importFile(path, lab.context())).toMatchObject({
      revision: 3,
      name: 'counts.zip',
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
      records: 3,
      added: 1,
      changed: 1,
      withdrawn: 1,
      unchanged: 1,
      faulty: 0,
      ecosystems: { npm: 3 },
      newestModified: '2024-01-01T00:00:00.000Z',
    });
    expect(await lab.events('advisories.changed')).toEqual([{ revision: 1 }, { revision: 3 }]);
    expect((await lab.advisories.imports(2)).map(({ revision }) => revision)).toEqual([3, 2]);
    expect(await lab.advisories.sources()).toMatchObject([
      { ecosystem: 'npm', records: 2, newest: new Date('2024-01-01') },
    ]);
  });

  it('names the records that cannot be read and imports the others', async () => {
    const damage = (name: string, content: Buffer): Buffer =>
      name === 'damaged.json' ? Buffer.from(content.map((byte) => byte ^ 0x55)) : content;
    const zip = buildZip(
      { 'good.json': osv('GOOD'), 'text.json': 'no json', 'id.json': '{"id":"X"}', 'damaged.json': osv('D') },
      damage,
    );
    const result = await importer().importFile(await file('faulty.zip', zip), lab.context());
    expect(result).toMatchObject({ records: 1, added: 1, faulty: 3 });
    expect(result.faults).toEqual([
      expect.stringMatching(/^text\.json: not JSON/),
      expect.stringMatching(/^X: modified/),
      expect.stringMatching(/^damaged\.json: /),
    ]);
    expect(await ids()).toEqual(['npm/GOOD']);
  });

  it.each<[string, () => Buffer, string, RegExp]>([
    ['text', () => Buffer.from('hello'), 'ADVISORY_FILE_INVALID', /neither a ZIP archive/],
    [
      'a cut archive',
      () => buildZip({ 'a.json': osv('A') }).subarray(0, -10),
      'ADVISORY_FILE_INVALID',
      /not a whole ZIP/,
    ],
    [
      'an archive without records',
      () => buildZip({ 'a.txt': 'x' }),
      'ADVISORY_FILE_EMPTY',
      /no \.json entries/,
    ],
    [
      'an archive of nothing but faults',
      () => buildZip({ 'a.json': '[]' }),
      'ADVISORY_FILE_EMPTY',
      /a\.json: the record/,
    ],
    [
      'a directory of the archive that lies',
      () => lying(buildZip({ 'a.json': osv('A'), 'b.json': osv('B') })),
      'ADVISORY_FILE_INVALID',
      /not a whole ZIP/,
    ],
  ])('%s changes nothing', async (_title, content, code, message) => {
    const path = await file('bad.zip', content());
    await expect(importer().importFile(path, lab.context())).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
    expect(await ids()).toEqual([]);
    expect(await lab.advisories.status()).toEqual({ revision: 0, rematchedRevision: 0 });
    expect(await lab.events('advisories.changed')).toEqual([]);
  });

  /** The second entry of the central directory loses its signature. */
  function lying(zip: Buffer): Buffer {
    const copy = Buffer.from(zip);
    copy.write('XX', copy.lastIndexOf('PK\x01\x02'), 'latin1');
    return copy;
  }

  it('an import that stops in the middle leaves no trace', async () => {
    const path = await file('stop.zip', buildZip({ 'a.json': osv('A') }));
    const stopping = new AdvisoryImporter(lab.advisories, undefined, () => {
      throw new Error('crash');
    });
    await expect(stopping.importFile(path, lab.context())).rejects.toThrow('crash');
    const aborted = lab.context(AbortSignal.abort(new Error('cancelled')));
    await expect(importer().importFile(path, aborted)).rejects.toThrow('cancelled');
    expect(await ids()).toEqual([]);
    expect(await importer().importFile(path, lab.context())).toMatchObject({ revision: 1, added: 1 });
  });

  it('takes the layout of the OSV distribution, and single records', async () => {
    await file('osv/npm/all.zip', buildZip({ 'a.json': osv('A') }));
    await file('osv/Debian/all.zip', buildZip({ 'd.json': osv('D') }));
    await file('osv/ecosystems.txt', 'npm\nDebian\n');
    const imports = await importer().import(join(directory, 'osv'), lab.context());
    expect(imports.map(({ name }) => name)).toEqual(['Debian/all.zip', 'npm/all.zip']);
    await importer().import(await file('single/S.json', osv('S')), lab.context());
    expect(await ids()).toEqual(['npm/A', 'npm/D', 'npm/S']);
    await expect(importer().import(join(directory, 'nowhere'), lab.context())).rejects.toMatchObject({
      code: 'ADVISORY_FILE_MISSING',
    });
  });

  it('records of one id from the files of two ecosystems stand side by side', async () => {
    const row = (ecosystem: string, name: string): object => ({
      affected: [{ package: { ecosystem, name }, versions: ['1'] }],
    });
    const npm = await file('two/npm.zip', buildZip({ 'g.json': osv('GHSA-1', row('npm', 'jquery')) }));
    const gems = await file(
      'two/gems.zip',
      buildZip({ 'g.json': osv('GHSA-1', row('RubyGems', 'jquery-rails')) }),
    );
    await importer().importFile(npm, lab.context());
    expect(await importer().importFile(gems, lab.context())).toMatchObject({ added: 1, changed: 0 });
    expect(await importer().importFile(npm, lab.context())).toMatchObject({ unchanged: 1, changed: 0 });
    expect(await ids()).toEqual(['RubyGems/GHSA-1', 'npm/GHSA-1']);
  });

  it('tells its progress in records', async () => {
    const records = Array.from({ length: 1200 }, (_, index) => [`${index}.json`, osv(`R-${index}`)]);
    const context = lab.context();
    await importer().importFile(await file('many.zip', buildZip(Object.fromEntries(records))), context);
    expect(context.steps).toEqual(['500/1200 records', '1000/1200 records', '1200/1200 records']);
  });
});
