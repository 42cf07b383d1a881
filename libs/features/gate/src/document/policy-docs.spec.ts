import { readFileSync } from 'node:fs';
import { DEFAULT_POLICY, RULE_KINDS } from '@sluice/domain/policy';
import { describe, expect, it } from 'vitest';
import { parsePolicy } from './parse-policy.ts';
import { ALLOWED_KEYS } from './schema.ts';

const PAGE = readFileSync(new URL('../../../../../docs/policy.md', import.meta.url), 'utf8');
const documents = [...PAGE.matchAll(/^```yaml\n(.*?)^```$/gms)].map((match) => match[1] ?? '');

describe('docs/policy.md', () => {
  it('shows only policies that can be applied', () => {
    expect(documents.length).toBeGreaterThanOrEqual(5);
    for (const text of documents) expect(() => parsePolicy(text)).not.toThrow();
  });

  it('shows the default policy as it is', () => {
    const shown = documents.map(parsePolicy).find(({ metadata }) => metadata.name === 'default');
    expect(shown).toEqual(DEFAULT_POLICY);
  });

  it('shows every kind of rule and tells of every key', () => {
    const kinds = new Set(documents.flatMap((text) => parsePolicy(text).spec.rules.map(({ kind }) => kind)));
    expect([...kinds].toSorted()).toEqual([...RULE_KINDS].toSorted());
    for (const keys of Object.values(ALLOWED_KEYS.rule))
      for (const key of keys) expect(PAGE).toContain(`\`${key}`);
  });
});
