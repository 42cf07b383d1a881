import { describe, expect, it } from 'vitest';
import type { Digest } from '../oci/digest.ts';
import { DEFAULT_POLICY } from './default-policy.ts';
import type {
  PolicyDocument,
  PolicyMode,
  PolicyRule,
  ScanRule,
  SignatureRule,
  VulnerabilitiesRule,
} from './document.ts';
import { evaluate } from './evaluate.ts';
import type { Finding, ScanEvidence, SignatureEvidence } from './evidence.ts';
import type { AttachedPolicy, ChildFacts, EvaluationContext, EvidenceRecord } from './facts.ts';

const DIGEST = `sha256:${'a'.repeat(64)}` as Digest;
const INDEX = `sha256:${'1'.repeat(64)}` as Digest;
const OTHER = `sha256:${'f'.repeat(64)}` as Digest;

function policy(rules: PolicyRule[], mode: PolicyMode = 'enforce', name = 'p'): AttachedPolicy {
  const document: PolicyDocument = {
    apiVersion: 'sluice.dev/v1',
    kind: 'Policy',
    metadata: { name },
    spec: { mode, rules },
  };
  return { name, version: 1, scope: 'team', document };
}
const DEFAULT: AttachedPolicy = {
  name: 'default',
  version: 1,
  scope: 'installation',
  document: DEFAULT_POLICY,
};
const vulnerabilities = (rule: Partial<VulnerabilitiesRule> = {}): VulnerabilitiesRule => ({
  name: 'v',
  kind: 'vulnerabilities',
  severities: ['critical'],
  fixable: 'only',
  onMissing: 'deny',
  noAdvisoryData: 'deny',
  ...rule,
});
const signed = (rule: Partial<SignatureRule> = {}): SignatureRule => ({
  name: 's',
  kind: 'signature',
  keys: 'any',
  threshold: 1,
  onMissing: 'deny',
  ...rule,
});
const scanned = (rule: Partial<ScanRule> = {}): ScanRule => ({
  name: 'c',
  kind: 'scan',
  allowedStates: ['ok', 'findings'],
  onMissing: 'deny',
  noAdvisoryData: 'deny',
  ...rule,
});

function context(more: Partial<EvaluationContext> = {}): EvaluationContext {
  return {
    artifact: { repository: 'team/app/web', digest: DIGEST, kind: 'image' },
    expected: { scan: false, rematch: false, signature: false },
    advisoriesLoaded: false,
    parents: [],
    children: [],
    trustedKeys: [
      { id: 'k1', name: 'release', depth: 1, fingerprint: 'aa' },
      { id: 'k2', name: 'security', depth: 1, fingerprint: 'bb' },
    ],
    ...more,
  };
}
const of = (kind: EvaluationContext['artifact']['kind'], digest: Digest = DIGEST) => ({
  artifact: { repository: 'team/app/web', digest, kind },
});

function finding(more: Partial<Finding> = {}): Finding {
  return {
    advisory: 'GHSA-1',
    aliases: ['CVE-2024-1'],
    package: { purl: 'pkg:npm/left@1', ecosystem: 'npm', name: 'left', version: '1.0.0' },
    severity: 'critical',
    score: 9.8,
    fixedVersion: '1.0.1',
    layer: null,
    path: 'app/package.json',
    ...more,
  };
}
function scan(more: Partial<ScanEvidence> = {}, digest = DIGEST): EvidenceRecord {
  const evidence: ScanEvidence = {
    kind: 'scan',
    state: more.findings?.length ? 'findings' : 'ok',
    reasons: [],
    packages: 3,
    findings: [],
    engine: 'sluice-scanner/1',
    advisoryRevision: 7,
    scannedAt: '2026-11-21T10:00:00Z',
    ...more,
  };
  return { id: `scan-${digest.slice(7, 9)}`, digest, evidence };
}
function signature(more: Partial<SignatureEvidence> = {}, digest = DIGEST, id = 'sig'): EvidenceRecord {
  const evidence: SignatureEvidence = {
    kind: 'signature',
    format: 'cosign-legacy',
    source: OTHER,
    signedDigest: digest,
    verified: true,
    trustedKeys: ['k1'],
    predicateType: null,
    reason: null,
    checkedAt: '2026-11-21T10:00:00Z',
    ...more,
  };
  return { id, digest, evidence };
}
const UNTRUSTED = {
  verified: false,
  trustedKeys: [],
  reason: 'untrusted-key: no key that is trusted made it',
};

describe('a vulnerabilities rule', () => {
  it('refuses a fixable finding of a denied severity, names it, and says who can fix it how', () => {
    const { state, summary, results } = evaluate(
      [policy([vulnerabilities()])],
      [scan({ findings: [finding()] })],
      context(),
    );
    expect(state).toBe('red');
    expect(summary).toBe(
      'vulnerabilities: 1 fixable critical finding: CVE-2024-1 in left 1.0.0 (fixed in 1.0.1) [rule v of policy p, team]',
    );
    expect(results[0]).toMatchObject({
      outcome: 'fail',
      expected: 'no fixable critical finding',
      evidence: ['scan-aa'],
      remedy: 'a developer of team/app/web: update left to 1.0.1, build again and push',
    });
  });

  it.each<[string, Partial<VulnerabilitiesRule>, Partial<Finding>, string]>([
    ['a severity below the denied ones passes', {}, { severity: 'high' }, 'green'],
    ['every listed severity counts', { severities: ['high', 'critical'] }, { severity: 'high' }, 'red'],
    ['fixable only: no fix, no refusal', {}, { fixedVersion: null }, 'green'],
    ['fixable any: a finding without a fix counts', { fixable: 'any' }, { fixedVersion: null }, 'red'],
    [
      'an unrated finding counts only when unknown is listed',
      { fixable: 'any' },
      { severity: 'unknown' },
      'green',
    ],
    ['unknown is listed', { severities: ['unknown'] }, { severity: 'unknown' }, 'red'],
    [
      'a malicious package needs no fix to count',
      {},
      { advisory: 'MAL-2024-9', fixedVersion: null, severity: 'unknown' },
      'red',
    ],
    ['a malicious package by alias', {}, { aliases: ['MAL-1'], fixedVersion: null, severity: 'low' }, 'red'],
  ])('%s', (_title, rule, more, state) => {
    const evidence = [scan({ findings: [finding(more)] })];
    expect(evaluate([policy([vulnerabilities(rule)])], evidence, context()).state).toBe(state);
  });

  it('counts an advisory once for each package version, the worst finding first', () => {
    const findings = [
      finding({ severity: 'high', advisory: 'B', aliases: [] }),
      finding({ path: 'elsewhere' }),
      finding(),
    ];
    const rule = vulnerabilities({ severities: ['high', 'critical'] });
    const { summary } = evaluate([policy([rule])], [scan({ findings })], context());
    expect(summary).toContain(
      '2 fixable critical or high findings: CVE-2024-1 in left 1.0.0 (fixed in 1.0.1), B in left',
    );
  });

  it.each(['partial', 'unsupported', 'error', 'no-data'] as const)(
    'refuses the state %s: what was not seen may hide a finding',
    (state) => {
      expect(evaluate([policy([vulnerabilities()])], [scan({ state })], context()).state).toBe('red');
    },
  );

  it('refuses by the findings of a partial scan whatever onMissing says', () => {
    const evidence = [scan({ state: 'partial', findings: [finding()] })];
    expect(evaluate([policy([vulnerabilities({ onMissing: 'pass' })])], evidence, context()).state).toBe(
      'red',
    );
  });

  it('ignores evidence about another digest', () => {
    const evidence = [scan(), scan({ findings: [finding()] }, OTHER)];
    expect(evaluate([policy([vulnerabilities()])], evidence, context()).state).toBe('green');
  });
});

describe('missing evidence', () => {
  const rules = [vulnerabilities(), scanned(), signed()] as const;
  it.each(rules)('is pending while work is under way, and refused when nothing is coming: $kind', (rule) => {
    const expected = { scan: true, rematch: false, signature: true };
    for (const onMissing of ['pending', 'deny', 'warn', 'pass'] as const) {
      expect(evaluate([policy([{ ...rule, onMissing }])], [], context({ expected })).state).toBe('pending');
    }
    expect(evaluate([policy([rule])], [], context()).state).toBe('red');
  });

  it.each(rules)('is what onMissing says when nothing is coming: $kind', (rule) => {
    const state = (onMissing: PolicyRule['onMissing']) =>
      evaluate([policy([{ ...rule, onMissing }])], [], context()).state;
    expect([state('pending'), state('deny'), state('warn'), state('pass')]).toEqual([
      'pending',
      'red',
      'amber',
      'green',
    ]);
  });

  it('waits only for its own kind of work', () => {
    const rematch = { scan: false, rematch: true, signature: false };
    expect(evaluate([policy([scanned()])], [], context({ expected: rematch })).state).toBe('red');
    const expected = { scan: true, rematch: false, signature: false };
    expect(evaluate([policy([signed()])], [], context({ expected })).state).toBe('red');
    expect(
      evaluate(
        [policy([scanned()])],
        [],
        context({ expected: { scan: false, rematch: false, signature: true } }),
      ).state,
    ).toBe('red');
  });
});

describe('a scan rule', () => {
  it.each(['partial', 'unsupported', 'error', 'no-data'] as const)(
    'refuses %s unless it is allowed',
    (state) => {
      expect(evaluate([policy([scanned()])], [scan({ state })], context()).state).toBe('red');
      const allowing = scanned({ allowedStates: ['ok', 'findings', state] });
      expect(evaluate([policy([allowing])], [scan({ state })], context()).state).toBe('green');
    },
  );

  it('says what the scanner said', () => {
    const evidence = [scan({ state: 'partial', reasons: ['layer 2 is encrypted'] })];
    const { summary } = evaluate([policy([scanned()])], evidence, context());
    expect(summary).toContain('scan: only partly scanned (layer 2 is encrypted)');
  });

  it('tells "never loaded any data" from "has no data for this": only the first is noAdvisoryData', () => {
    const rule = scanned({ noAdvisoryData: 'warn' });
    const state = (advisoryRevision: number | null) =>
      evaluate([policy([rule])], [scan({ state: 'no-data', advisoryRevision })], context()).state;
    expect(state(null)).toBe('amber');
    expect(state(7)).toBe('red');
  });
});

describe('a scan report from before the first advisory data', () => {
  const evidence = [scan({ state: 'no-data', advisoryRevision: null })];
  it.each([scanned({ noAdvisoryData: 'warn' }), vulnerabilities({ noAdvisoryData: 'warn' })])(
    'is no excuse any more once data was loaded, not even when it was removed again: $kind',
    (rule) => {
      expect(evaluate([policy([rule])], evidence, context()).state).toBe('amber');
      expect(evaluate([policy([rule])], evidence, context({ advisoriesLoaded: true })).state).toBe('red');
      for (const work of [
        { scan: true, rematch: false },
        { scan: false, rematch: true },
      ]) {
        const about = context({ advisoriesLoaded: true, expected: { ...work, signature: false } });
        expect(evaluate([policy([rule])], evidence, about).state).toBe('pending');
      }
    },
  );
});

describe('a signature rule', () => {
  it('passes with a verified signature by any trusted key', () => {
    expect(evaluate([policy([signed()])], [signature()], context()).state).toBe('green');
  });

  it.each<[string, Partial<SignatureEvidence>]>([
    ['made by a key that is not trusted', UNTRUSTED],
    ['made by a key that was trusted once', { trustedKeys: ['k9'] }],
    ['made for another digest', { signedDigest: OTHER }],
    ['of an attestation, however well signed', { predicateType: 'https://slsa.dev/provenance/v1' }],
    ['that names a key but was not verified', { verified: false }],
  ])('refuses a signature %s', (_title, more) => {
    expect(evaluate([policy([signed()])], [signature(more)], context()).state).toBe('red');
  });

  it('says why the signatures it found do not count', () => {
    const { summary } = evaluate([policy([signed()])], [signature(UNTRUSTED)], context());
    expect(summary).toContain(
      'signature: 1 signature, none of which counts: untrusted-key: no key that is trusted made it',
    );
  });

  it('does not take a refused signature for a missing one', () => {
    const rule = signed({ onMissing: 'pass' });
    expect(evaluate([policy([rule])], [signature(UNTRUSTED)], context()).state).toBe('red');
  });

  it('accepts only the keys that it names', () => {
    const rule = signed({ keys: ['security'] });
    expect(evaluate([policy([rule])], [signature()], context()).state).toBe('red');
    expect(evaluate([policy([rule])], [signature({ trustedKeys: ['k1', 'k2'] })], context()).state).toBe(
      'green',
    );
  });

  it('counts keys and not signatures towards the threshold', () => {
    const rule = signed({ threshold: 2 });
    const twice = [signature(), signature({}, DIGEST, 'sig2')];
    const both = [signature(), signature({ trustedKeys: ['k2'] }, DIGEST, 'sig2')];
    expect(evaluate([policy([rule])], twice, context()).state).toBe('red');
    expect(evaluate([policy([rule])], both, context()).state).toBe('green');
  });

  it('counts one key under two names once', () => {
    const trustedKeys = [
      { id: 'k1', name: 'release', depth: 1, fingerprint: 'aa' },
      { id: 'k2', name: 'also-release', depth: 1, fingerprint: 'aa' },
    ];
    const evidence = [signature({ trustedKeys: ['k1', 'k2'] })];
    expect(evaluate([policy([signed({ threshold: 2 })])], evidence, context({ trustedKeys })).state).toBe(
      'red',
    );
  });

  it('means by a name the key of the topmost node that has it: no project renames its own into that of a group', () => {
    const trustedKeys = [
      { id: 'k1', name: 'release', depth: 1, fingerprint: 'aa' },
      { id: 'k2', name: 'release', depth: 2, fingerprint: 'bb' },
      { id: 'k3', name: 'local', depth: 2, fingerprint: 'cc' },
    ];
    const state = (keys: readonly string[] | 'any', by: string) =>
      evaluate([policy([signed({ keys })])], [signature({ trustedKeys: [by] })], context({ trustedKeys }))
        .state;
    expect(state(['release'], 'k1')).toBe('green');
    expect(state(['release'], 'k2')).toBe('red');
    expect(state(['release', 'local'], 'k3')).toBe('green');
    expect(state('any', 'k2')).toBe('green');
  });

  it('is pending while more signatures are being verified, and not when it has enough', () => {
    const expected = { scan: false, rematch: false, signature: true };
    expect(evaluate([policy([signed()])], [signature(UNTRUSTED)], context({ expected })).state).toBe(
      'pending',
    );
    expect(evaluate([policy([signed()])], [signature()], context({ expected })).state).toBe('green');
  });

  it('takes a signature on an index for its children, and on no other artifact', () => {
    const evidence = [signature({}, INDEX)];
    expect(evaluate([policy([signed()])], evidence, context({ parents: [INDEX] })).state).toBe('green');
    expect(evaluate([policy([signed()])], evidence, context()).state).toBe('red');
  });

  it('does not take a scan of an index for one of its children', () => {
    expect(evaluate([policy([scanned()])], [scan({}, INDEX)], context({ parents: [INDEX] })).state).toBe(
      'red',
    );
  });

  it('says what to trust when no key is trusted', () => {
    const { results } = evaluate([policy([signed()])], [], context({ trustedKeys: [] }));
    expect(results[0]?.remedy).toContain('trust a key');
  });
});

describe('what a rule applies to', () => {
  const rules = [vulnerabilities(), scanned(), signed()];
  it.each([
    ['image', { scan: 'fail', vulnerabilities: 'fail', signature: 'fail' }],
    ['artifact', { scan: 'not-applicable', vulnerabilities: 'not-applicable', signature: 'fail' }],
    [
      'index',
      { scan: 'not-applicable', vulnerabilities: 'not-applicable', signature: 'fail', children: 'pass' },
    ],
    ['signature', { scan: 'not-applicable', vulnerabilities: 'not-applicable', signature: 'not-applicable' }],
    [
      'attestation',
      { scan: 'not-applicable', vulnerabilities: 'not-applicable', signature: 'not-applicable' },
    ],
  ] as const)('kind %s', (kind, outcomes) => {
    const { results } = evaluate([policy(rules)], [], context(of(kind)));
    expect(Object.fromEntries(results.map((result) => [result.kind, result.outcome]))).toEqual(outcomes);
  });

  it('a kind that nobody knows is judged as an image', () => {
    const unknown = 'wasm' as EvaluationContext['artifact']['kind'];
    expect(evaluate([policy([scanned()])], [], context(of(unknown))).state).toBe('red');
  });
});

describe('an index', () => {
  const child = (
    state: 'green' | 'amber' | 'red' | 'pending',
    more: Partial<ChildFacts> = {},
  ): ChildFacts => ({
    digest: `sha256:${state.length}${'c'.repeat(63)}`,
    platform: 'linux/arm64',
    stored: { kind: 'image', state, summary: state === 'green' ? null : 'scan: a reason' },
    ...more,
  });
  const judge = (children: ChildFacts[], policies = [DEFAULT]) =>
    evaluate(policies, [], context({ ...of('index', INDEX), children }));

  it('is as good as its worst child', () => {
    expect(judge([child('green')]).state).toBe('green');
    expect(judge([child('green'), child('amber')]).state).toBe('amber');
    expect(judge([child('pending'), child('amber')]).state).toBe('pending');
    expect(judge([child('red'), child('pending'), child('green')]).state).toBe('red');
  });

  it('says which child and why', () => {
    expect(judge([child('red'), child('green')]).summary).toBe(
      'children: linux/arm64 (sha256:3ccccccccccc) is red: scan: a reason',
    );
  });

  it.each(['attestation', 'signature'] as const)('does not count a child that is an %s', (kind) => {
    expect(
      judge([child('green'), child('red', { stored: { kind, state: 'red', summary: 'x' } })]).state,
    ).toBe('green');
  });

  it('judges a child that is not here as an image of which nothing is known', () => {
    const absent = child('green', { stored: null });
    expect(judge([absent]).state).toBe('red');
    expect(judge([absent]).summary).toContain('is not in the repository');
    expect(judge([absent], [policy([scanned()], 'audit')]).state).toBe('amber');
    expect(judge([absent], []).state).toBe('green');
  });

  it('does not wait for an attestation of BuildKit that is not here', () => {
    expect(judge([child('green'), child('green', { stored: null, platform: 'unknown/unknown' })]).state).toBe(
      'green',
    );
    expect(judge([child('red', { platform: 'unknown/unknown' })]).state).toBe('red');
  });

  it('needs its own signature even when all children are green', () => {
    expect(judge([child('green')], [policy([signed()])]).state).toBe('red');
  });
});

describe('several policies', () => {
  const evidence = [scan({ findings: [finding()] })];

  it('must all pass', () => {
    const strict = policy([vulnerabilities()], 'enforce', 'strict');
    const lax = policy([scanned()], 'enforce', 'lax');
    expect(evaluate([lax], evidence, context()).state).toBe('green');
    expect(evaluate([lax, strict], evidence, context()).state).toBe('red');
  });

  it('without any policy everything is green', () => {
    expect(evaluate([], evidence, context())).toMatchObject({ state: 'green', summary: null, results: [] });
  });

  it('audit mode warns where enforce refuses, and holds nobody up', () => {
    expect(evaluate([policy([vulnerabilities()], 'audit')], evidence, context())).toMatchObject({
      state: 'amber',
      results: [{ mode: 'audit', outcome: 'warn' }],
    });
    const expected = { scan: true, rematch: false, signature: true };
    expect(evaluate([policy([scanned()], 'audit')], [], context({ expected })).state).toBe('amber');
  });

  it('off takes a policy or a rule away; a rule cannot switch itself on in a policy that is off', () => {
    expect(evaluate([policy([vulnerabilities()], 'off')], evidence, context()).results).toEqual([]);
    expect(evaluate([policy([vulnerabilities({ mode: 'off' })])], evidence, context()).results).toEqual([]);
    expect(
      evaluate([policy([vulnerabilities({ mode: 'enforce' })], 'off')], evidence, context()).results,
    ).toEqual([]);
    expect(
      evaluate([policy([vulnerabilities({ mode: 'enforce' })], 'audit')], evidence, context()).state,
    ).toBe('red');
  });

  it('a policy that cannot be read refuses', () => {
    const broken = { name: 'x', version: 3, scope: 'team', document: null };
    expect(evaluate([broken], [scan()], context())).toMatchObject({ state: 'red' });
  });

  it('lists the worst result first and counts the others in the summary', () => {
    const { results, summary } = evaluate(
      [policy([scanned(), vulnerabilities(), signed()])],
      evidence,
      context(),
    );
    expect(results.map(({ outcome }) => outcome)).toEqual(['fail', 'fail', 'pass']);
    expect(summary).toMatch(/^signature: it is not signed \[rule s of policy p, team\]; and 1 more$/);
  });
});

describe("a new installation's default policy", () => {
  it.each<[string, string, EvidenceRecord[]]>([
    ['scanned, nothing found', 'green', [scan()]],
    ['findings without a fix', 'green', [scan({ findings: [finding({ fixedVersion: null })] })]],
    ['a fixable high finding', 'green', [scan({ findings: [finding({ severity: 'high' })] })]],
    ['a fixable critical finding', 'red', [scan({ findings: [finding()] })]],
    ['never scanned', 'red', []],
    ['partial', 'red', [scan({ state: 'partial' })]],
    ['unsupported', 'red', [scan({ state: 'unsupported' })]],
    ['error', 'red', [scan({ state: 'error' })]],
    ['data loaded, but none for these packages', 'red', [scan({ state: 'no-data' })]],
    ['no advisory data was ever loaded', 'amber', [scan({ state: 'no-data', advisoryRevision: null })]],
  ])('%s: %s', (_title, state, evidence) => {
    expect(evaluate([DEFAULT], evidence, context()).state).toBe(state);
  });

  it('says in the amber summary how to load advisory data', () => {
    const evidence = [scan({ state: 'no-data', advisoryRevision: null })];
    expect(evaluate([DEFAULT], evidence, context()).summary).toContain('sluice db import <file>');
  });
});

describe('the hash of the inputs', () => {
  const base = evaluate([DEFAULT], [scan()], context()).inputsHash;

  it('changes with policy version, evidence, artifact, keys', () => {
    const others = [
      evaluate([{ ...DEFAULT, version: 2 }], [scan()], context()),
      evaluate([DEFAULT], [scan({ packages: 4 })], context()),
      evaluate([DEFAULT], [scan()], context({ trustedKeys: [] })),
      evaluate(
        [DEFAULT],
        [scan()],
        context({ artifact: { repository: 'x', digest: DIGEST, kind: 'image' } }),
      ),
    ].map(({ inputsHash }) => inputsHash);
    expect(new Set([base, ...others]).size).toBe(5);
  });

  it('does not change with evidence of other digests or work that no rule waits for', () => {
    expect(evaluate([DEFAULT], [scan(), scan({}, OTHER)], context()).inputsHash).toBe(base);
    expect(
      evaluate([DEFAULT], [scan()], context({ expected: { scan: true, rematch: false, signature: true } }))
        .inputsHash,
    ).toBe(base);
  });
});
