import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import type { LayerEntry } from '@sluice/testing';
import { extract } from 'tar-stream';
import { run } from '../system/run.ts';

/** The files of a published npm package as a layer holds them, under `app/node_modules/<name>/`. */
export async function npmPackage(name: string, version: string): Promise<LayerEntry[]> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-demo-'));
  try {
    await run('npm', ['pack', `${name}@${version}`, '--pack-destination', directory, '--loglevel=error'], {
      cwd: directory,
      shell: process.platform === 'win32',
    });
    const [archive = ''] = readdirSync(directory);
    return await unpack(gunzipSync(readFileSync(join(directory, archive))), `app/node_modules/${name}`);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function unpack(tar: Buffer, under: string): Promise<LayerEntry[]> {
  const entries: LayerEntry[] = [];
  const archive = extract();
  archive.end(tar);
  for await (const entry of archive) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    // npm packs everything under one directory, usually `package/`.
    const path = entry.header.name.split('/').slice(1).join('/');
    if (entry.header.type === 'file')
      entries.push({ path: `${under}/${path}`, content: Buffer.concat(chunks) });
  }
  return entries;
}
