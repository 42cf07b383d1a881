import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packDemoAdvisories } from './fixtures.ts';
import { ROOT } from './paths.ts';

describe('docs/examples/osv/npm/all.zip', () => {
  it('holds the advisory records of the demo, byte for byte', () => {
    const directory = mkdtempSync(join(tmpdir(), 'sluice-fixtures-'));
    try {
      const packed = readFileSync(packDemoAdvisories(directory));
      expect(packed.equals(readFileSync(join(ROOT, 'docs', 'examples', 'osv', 'npm', 'all.zip')))).toBe(true);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
