import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { environmentName } from './setting.ts';
import { EVERY_SETTING } from './every-setting.ts';

describe('docs/operations.md', () => {
  it('lists every setting, and no other', () => {
    const page = readFileSync(new URL('../../../../docs/operations.md', import.meta.url), 'utf8');
    const documented = [...page.matchAll(/^\| `(SLUICE_[A-Z0-9_]+)` \|/gm)].map(([, name = '']) => name);
    expect(documented.toSorted()).toEqual(Object.keys(EVERY_SETTING).map(environmentName).toSorted());
  });
});
