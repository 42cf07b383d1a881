import { DEFAULT_POLICY, PolicyError } from '@sluice/domain/policy';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { checkPolicy, parsePolicy } from './parse-policy.ts';

const head = 'apiVersion: sluice.dev/v1\nkind: Policy\nmetadata: {name: release}\n';
const withRule = (rule: string): string => `${head}spec:\n  rules:\n    - {name: r, ${rule}}\n`;

function problems(text: string): string[] {
  try {
    parsePolicy(text);
  } catch (error) {
    if (!(error instanceof PolicyError) || error.code !== 'policy-invalid') throw error;
    return error.problems.map(({ path, message }) => (path === '' ? message : `${path}: ${message}`));
  }
  return [];
}

describe('a policy document', () => {
  it('gets every default filled in', () => {
    const text = `${head}spec:\n  rules:\n    - {name: v, kind: vulnerabilities, maxSeverity: medium}\n    - {name: s, kind: signature}\n    - {name: c, kind: scan}\n`;
    expect(parsePolicy(text)).toEqual({
      apiVersion: 'sluice.dev/v1',
      kind: 'Policy',
      metadata: { name: 'release' },
      spec: {
        mode: 'enforce',
        rules: [
          {
            name: 'v',
            kind: 'vulnerabilities',
            severities: ['high', 'critical'],
            fixable: 'any',
            onMissing: 'deny',
            noAdvisoryData: 'deny',
          },
          { name: 's', kind: 'signature', keys: 'any', threshold: 1, onMissing: 'deny' },
          {
            name: 'c',
            kind: 'scan',
            allowedStates: ['ok', 'findings'],
            onMissing: 'deny',
            noAdvisoryData: 'deny',
          },
        ],
      },
    });
  });

  it('is the same after it was parsed: what is stored can be applied again', () => {
    expect(checkPolicy(JSON.parse(JSON.stringify(DEFAULT_POLICY)))).toEqual(DEFAULT_POLICY);
    const parsed = parsePolicy(withRule('kind: signature, keys: [b, a, b], threshold: 2, mode: audit'));
    expect(parsePolicy(stringify(parsed))).toEqual(parsed);
    expect(parsed.spec.rules[0]).toMatchObject({ keys: ['a', 'b'] });
  });

  it('says "off" and means it: YAML 1.2 has no booleans of that name', () => {
    expect(parsePolicy(`${head}spec: {mode: off, rules: [{name: r, kind: scan}]}`).spec.mode).toBe('off');
  });

  it.each([
    ['maxSeverity: none', ['unknown', 'low', 'medium', 'high', 'critical']],
    ['maxSeverity: low', ['medium', 'high', 'critical']],
    ['maxSeverity: high', ['critical']],
    ['severities: [critical, unknown, critical]', ['unknown', 'critical']],
  ])('%s refuses %s', (given, severities) => {
    expect(parsePolicy(withRule(`kind: vulnerabilities, ${given}`)).spec.rules[0]).toMatchObject({
      severities,
    });
  });
});

describe('a faulty policy document', () => {
  it('lists every fault at once, with what was given, what is allowed and what may be meant', () => {
    const text = `
apiVersion: sluice.dev/v2
kind: policy
metadata:
  name: Release Policy
  labels: {}
spec:
  mode: enforced
  rules:
    - name: v
      kind: vulnerabilities
      severitis: [critical]
      maxSeverity: critical
    - name: s
      kind: signatures
    - name: c
      kind: scan
      allowedStates: [ok, finding]
      onMissing: 7
`;
    expect(problems(text)).toEqual([
      'apiVersion: "sluice.dev/v2" is not allowed, did you mean "sluice.dev/v1"?; allowed: sluice.dev/v1',
      'kind: "policy" is not allowed, did you mean "Policy"?; allowed: Policy',
      'metadata.name: must be 1 to 63 of lower-case letters, digits, ".", "_" and "-", beginning and ending with a letter or digit, not "Release Policy"',
      'metadata.labels: unknown key; allowed: name, description',
      'spec.mode: "enforced" is not allowed, did you mean "enforce"?; allowed: enforce, audit, off',
      'spec.rules[0].maxSeverity: "critical" is not allowed; allowed: none, low, medium, high',
      'spec.rules[0].severitis: unknown key, did you mean "severities"?; allowed: name, kind, mode, severities, maxSeverity, fixable, onMissing, noAdvisoryData',
      'spec.rules[1].kind: "signatures" is not a kind of rule, did you mean "signature"?; allowed: vulnerabilities, signature, scan',
      'spec.rules[2].onMissing: 7 is not allowed; allowed: pending, deny, warn, pass',
      'spec.rules[2].allowedStates[1]: "finding" is not allowed, did you mean "findings"?; allowed: ok, findings, partial, unsupported, no-data, error',
    ]);
  });

  it.each<[string, string, string]>([
    ['no rules', `${head}spec: {rules: []}`, 'spec.rules: must hold at least one rule'],
    ['rules of the wrong type', `${head}spec: {rules: scan}`, 'spec.rules: must be a list, not "scan"'],
    [
      'no kind',
      `${head}spec: {rules: [{name: r}]}`,
      'spec.rules[0].kind: is missing; allowed: vulnerabilities, signature, scan',
    ],
    ['a missing part', head, 'spec: is missing; it must be a mapping'],
    [
      'both severities and maxSeverity',
      withRule('kind: vulnerabilities, severities: [low], maxSeverity: low'),
      'exactly one of',
    ],
    ['neither severities nor maxSeverity', withRule('kind: vulnerabilities'), 'exactly one of'],
    ['no severity', withRule('kind: vulnerabilities, severities: []'), 'must name at least one severity'],
    [
      'more signers than keys',
      withRule('kind: signature, keys: [a, a], threshold: 2'),
      'threshold: must not be more than there are keys',
    ],
    [
      'half a signer',
      withRule('kind: signature, threshold: 1.5'),
      'threshold: must be a whole number, not 1.5',
    ],
    ['nobody', withRule('kind: signature, keys: []'), 'keys'],
    [
      'keys by a wrong word',
      withRule('kind: signature, keys: all'),
      'keys: must be "any" or a list of names of trusted keys, not "all"',
    ],
    [
      'two rules of one name',
      `${head}spec: {rules: [{name: r, kind: scan}, {name: r, kind: scan}]}`,
      'spec.rules[1].name: is the name of another rule already',
    ],
    ['an empty text', '', 'must be a mapping'],
    ['a text', 'hello', 'must be a mapping, not "hello"'],
    ['a prototype', `${head}__proto__: {}\nspec: {rules: [{name: r, kind: scan}]}`, '__proto__: unknown key'],
  ])('%s', (_title, text, expected) => {
    expect(problems(text).join('\n')).toContain(expected);
  });
});

describe('a YAML text that is made to harm', () => {
  const bomb = `a: &a [x, x, x, x]\n${'bcdefgh'.replaceAll(/./g, (letter) => `${letter}: &${letter} [*a, *a, *a, *a]\n`)}`;
  it.each<[string, string, string]>([
    ['a bomb of aliases', bomb, 'aliases are not allowed'],
    ['an anchor', `${head}spec: &x {rules: [{name: r, kind: scan}]}`, 'anchors are not allowed: &x'],
    ['a merge key', `${head}spec:\n  <<: {rules: []}`, 'spec.<<: unknown key'],
    ['a tag', `${head}spec: !!js/function "x"`, 'line 4, column 7'],
    [
      'a standard tag',
      `${head}spec: {mode: !!str audit, rules: [{name: r, kind: scan}]}`,
      'tags are not allowed',
    ],
    ['the same key twice', `${head}kind: Policy\nspec: {rules: [{name: r, kind: scan}]}`, 'line 4, column 1'],
    ['two documents', `${head}spec: {rules: [{name: r, kind: scan}]}\n---\n${head}`, 'multiple documents'],
    ['deep brackets', '['.repeat(30_000), 'nested deeper than 20'],
    ['deep mappings', '{a: '.repeat(10_000), 'nested deeper than 20'],
    ['deep lists on one line', '- '.repeat(30_000), 'nested deeper than 20'],
    [
      'deep indentation',
      Array.from({ length: 300 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
      'nested deeper than 20',
    ],
    ['a large text', `# ${'x'.repeat(65_536)}`, 'larger than 65536 bytes'],
    ['an unclosed quote', `${head}spec: "`, 'line'],
    ['a key that is a list', `${head}? [a, b]\n: c\n`, 'line 4'],
  ])('%s is refused with a reason', (_title, text, expected) => {
    expect(problems(text).join('\n')).toContain(expected);
  });

  it('never costs more than a moment or another kind of error (seeded fuzz)', () => {
    const seeds = stringify(DEFAULT_POLICY);
    const mutation = fc.tuple(
      fc.nat(seeds.length),
      fc.nat(8),
      fc.constantFrom('', '[', '{', '*a', '&a ', '!!x ', '- ', '\u0000', '"', ': ', '\n  '),
    );
    fc.assert(
      fc.property(fc.array(mutation, { maxLength: 6 }), (mutations) => {
        let text = seeds;
        for (const [at, removed, added] of mutations)
          text = text.slice(0, at) + added + text.slice(at + removed);
        const started = performance.now();
        problems(text);
        expect(performance.now() - started).toBeLessThan(2000);
      }),
      { seed: 42, numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.jsonValue(), (text, value) => {
        problems(text);
        problems(JSON.stringify(value));
      }),
      { seed: 43, numRuns: 200 },
    );
  });
});
