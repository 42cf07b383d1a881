import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DataDirectory } from './data-directory.ts';

describe('claiming a data directory', () => {
  let path: string;
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'sluice-data-'));
  });
  afterEach(() => rmSync(path, { recursive: true, force: true }));

  it('refuses a directory that another live Sluice uses, and names its process', async () => {
    const other = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)', 'standalone']);
    try {
      writeFileSync(join(path, 'lock'), `${other.pid}\n`);
      await expect(DataDirectory.claim(path)).rejects.toThrow(`another Sluice (process ${other.pid})`);
    } finally {
      other.kill();
    }
  });

  it('takes over the lock of a killed Sluice', async () => {
    writeFileSync(join(path, 'lock'), '999999999\n');
    const directory = await DataDirectory.claim(path);
    directory.release();
    await expect(DataDirectory.claim(path)).resolves.toBeDefined();
  });

  it('says which directory cannot be made and which setting changes it', async () => {
    writeFileSync(join(path, 'file'), '');
    await expect(DataDirectory.claim(join(path, 'file', 'below'))).rejects.toThrow(
      /not writable.*SLUICE_DATA_DIR/,
    );
  });
});
