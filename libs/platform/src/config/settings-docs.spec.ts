import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { environmentName } from './setting.ts';
import * as fragments from './settings.ts';

describe('docs/operations.md', () => {
  it('lists every setting, and no other', () => {
    const page = readFileSync(new URL('../../../../docs/operations.md', import.meta.url), 'utf8');
    const documented = [...page.matchAll(/^\| `(SLUICE_[A-Z_]+)` \|/gm)].map((match) => match[1]);
    const keys = new Set(Object.values(fragments).flatMap((settings) => Object.keys(settings)));
    expect(documented.toSorted()).toEqual([...keys].map(environmentName).toSorted());
  });
});
