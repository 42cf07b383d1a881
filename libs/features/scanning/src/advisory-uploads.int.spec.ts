import { PostgresJobLedger } from '@sluice/database/postgres';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { AdvisoryImporter } from './advisory-importer.ts';
import { AdvisoryUploads, IMPORT_JOB, type ImportRequest } from './advisory-uploads.ts';
import { ScanLab } from './testing/scan-lab.ts';
import { buildZip } from './testing/zip.ts';

const ZIP = buildZip({
  'a.json': JSON.stringify({ id: 'A', modified: '2024-01-01T00:00:00Z', affected: [] }),
});

describe('advisories that a client uploads', () => {
  let lab: ScanLab;
  let jobs: PostgresJobLedger;
  let uploads: AdvisoryUploads;
  beforeAll(async () => {
    lab = await ScanLab.create();
    jobs = new PostgresJobLedger(lab.database.source);
    uploads = new AdvisoryUploads(lab.blobs, jobs, new AdvisoryImporter(lab.advisories));
  });
  afterAll(() => lab.close());

  async function* body(bytes: Buffer, error?: Error): AsyncGenerator<Buffer, void, undefined> {
    yield bytes;
    if (error !== undefined) throw error;
  }

  async function requestOf(id: string): Promise<ImportRequest> {
    return (await jobs.get(id))?.payload as ImportRequest;
  }

  it('are kept, imported by a job, and then removed', async () => {
    const id = await uploads.accept(body(ZIP), 'npm/all.zip');
    expect(await jobs.get(id)).toMatchObject({
      kind: IMPORT_JOB,
      state: 'queued',
      payload: { name: 'npm/all.zip' },
    });
    const request = await requestOf(id);
    await uploads.run(request, lab.context());
    expect(await lab.advisories.imports(5)).toMatchObject([{ name: 'npm/all.zip', added: 1 }]);
    expect(await lab.blobs.size(request.objectKey)).toBeNull();
    // An attempt after one that died behind its commit finds its work done.
    await uploads.run(request, lab.context());
    expect(await lab.advisories.imports(5)).toHaveLength(1);
  });

  it('close what they are read from when there is no place for a temporary file', async () => {
    const request = await requestOf(await uploads.accept(body(ZIP), 'npm/all.zip'));
    const read = vi.spyOn(lab.blobs, 'read');
    vi.stubEnv('TMPDIR', '/nowhere/at/all');
    try {
      await expect(uploads.run(request, lab.context())).rejects.toThrow('ENOENT');
    } finally {
      vi.unstubAllEnvs();
    }
    const [opened] = read.mock.results;
    if (opened?.type !== 'return') throw new Error('nothing was read');
    expect((await opened.value).destroyed).toBe(true);
    read.mockRestore();
    await uploads.run(request, lab.context());
  });

  it('two files at once are two jobs', async () => {
    const ids = [await uploads.accept(body(ZIP), 'a.zip'), await uploads.accept(body(ZIP), 'a.zip')];
    expect(new Set(ids).size).toBe(2);
  });

  it('an upload that breaks off leaves nothing behind', async () => {
    const before = (await jobs.list({ kind: IMPORT_JOB }, { limit: 50 })).items.length;
    await expect(uploads.accept(body(ZIP, new Error('gone')), 'x.zip')).rejects.toThrow('gone');
    expect((await jobs.list({ kind: IMPORT_JOB }, { limit: 50 })).items).toHaveLength(before);
    const unfinished: string[] = [];
    for await (const key of lab.blobs.listUnfinished(new Date(Date.now() + 60_000))) unfinished.push(key);
    expect(unfinished).toEqual([]);
  });

  it('a file that is none is refused, and can be discarded', async () => {
    const request = await requestOf(await uploads.accept(body(Buffer.from('no zip')), 'bad.zip'));
    await expect(uploads.run(request, lab.context())).rejects.toMatchObject({
      code: 'ADVISORY_FILE_INVALID',
    });
    await uploads.discard(request);
    expect(await lab.blobs.size(request.objectKey)).toBeNull();
  });
});
