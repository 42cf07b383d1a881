import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Digest } from '../oci/digest.ts';
import type { PolicyMode, PolicyRule } from './document.ts';
import { evaluate } from './evaluate.ts';
import { SEVERITIES, type Finding, type ScanEvidence, type SignatureEvidence } from './evidence.ts';
import type { AttachedPolicy, ChildFacts, EvaluationContext, EvidenceRecord } from './facts.ts';
import { VERDICT_STATES, type VerdictState } from './verdict.ts';

const digest = (character: string): Digest => `sha256:${character.repeat(64)}` as Digest;
const OWN = digest('a');
const PARENT = digest('b');
const digests = fc.constantFrom(OWN, PARENT, digest('c'));
const SCAN_STATES = ['ok', 'findings', 'partial', 'unsupported', 'no-data', 'error'] as const;
const keyIds = fc.uniqueArray(fc.constantFrom('k1', 'k2', 'k3'));

const finding: fc.Arbitrary<Finding> = fc.record({
  advisory: fc.constantFrom('GHSA-1', 'DSA-2', 'MAL-3'),
  aliases: fc.array(fc.constantFrom('CVE-1', 'MAL-4'), { maxLength: 2 }),
  package: fc.record({
    purl: fc.string(),
    ecosystem: fc.string(),
    name: fc.constantFrom('a', 'b'),
    version: fc.constantFrom('1', '2'),
  }),
  severity: fc.constantFrom(...SEVERITIES),
  score: fc.option(fc.double()),
  fixedVersion: fc.option(fc.constantFrom('3', '4')),
  layer: fc.option(fc.string()),
  path: fc.string(),
});
const scan: fc.Arbitrary<ScanEvidence> = fc.record({
  kind: fc.constant('scan' as const),
  state: fc.constantFrom(...SCAN_STATES),
  reasons: fc.array(fc.string(), { maxLength: 3 }),
  packages: fc.nat(),
  findings: fc.array(finding, { maxLength: 5 }),
  engine: fc.string(),
  advisoryRevision: fc.option(fc.nat()),
  scannedAt: fc.string(),
});
const signature: fc.Arbitrary<SignatureEvidence> = fc.record({
  kind: fc.constant('signature' as const),
  format: fc.constantFrom('cosign-legacy' as const, 'sigstore-bundle' as const),
  source: digests,
  signedDigest: fc.option(digests),
  verified: fc.boolean(),
  trustedKeys: keyIds,
  predicateType: fc.option(
    fc.constantFrom('https://sigstore.dev/cosign/sign/v1', 'https://spdx.dev/Document'),
  ),
  reason: fc.option(fc.string()),
  checkedAt: fc.string(),
});
/** At most one scan of a digest, as the evidence table guarantees; any number of signatures. */
const evidence: fc.Arbitrary<EvidenceRecord[]> = fc
  .tuple(fc.option(scan), fc.option(scan), fc.array(fc.tuple(digests, signature), { maxLength: 4 }))
  .map(([own, parent, signatures]) => [
    ...(own === null ? [] : [{ id: 'scan-own', digest: OWN, evidence: own }]),
    ...(parent === null ? [] : [{ id: 'scan-parent', digest: PARENT, evidence: parent }]),
    ...signatures.map(([about, item], index) => ({ id: `sig-${index}`, digest: about, evidence: item })),
  ]);

interface Shape {
  onMissing: PolicyRule['onMissing'][];
  noAdvisoryData: ('warn' | 'deny' | 'pass')[];
  modes: PolicyMode[];
  scanStates: (typeof SCAN_STATES)[number][];
}
const ANY: Shape = {
  onMissing: ['pending', 'deny', 'warn', 'pass'],
  noAdvisoryData: ['warn', 'deny', 'pass'],
  modes: ['enforce', 'audit', 'off'],
  scanStates: [...SCAN_STATES],
};
const CLOSED: Shape = {
  onMissing: ['deny'],
  noAdvisoryData: ['warn', 'deny'],
  modes: ['enforce'],
  scanStates: ['ok', 'findings'],
};

function rule(shape: Shape): fc.Arbitrary<PolicyRule> {
  const base = {
    name: fc.constantFrom('r1', 'r2'),
    mode: fc.option(fc.constantFrom(...shape.modes), { nil: undefined }),
    onMissing: fc.constantFrom(...shape.onMissing),
  };
  const noAdvisoryData = fc.constantFrom(...shape.noAdvisoryData);
  return fc.oneof(
    fc.record({
      ...base,
      kind: fc.constant('vulnerabilities' as const),
      severities: fc.uniqueArray(fc.constantFrom(...SEVERITIES), { minLength: 1 }),
      fixable: fc.constantFrom('only' as const, 'any' as const),
      noAdvisoryData,
    }),
    fc.record({
      ...base,
      kind: fc.constant('signature' as const),
      keys: fc.oneof(
        fc.constant('any' as const),
        fc.uniqueArray(fc.constantFrom('release', 'other'), { minLength: 1 }),
      ),
      threshold: fc.integer({ min: 1, max: 3 }),
    }),
    fc.record({
      ...base,
      kind: fc.constant('scan' as const),
      allowedStates: fc.uniqueArray(fc.constantFrom(...shape.scanStates), { minLength: 1 }),
      noAdvisoryData,
    }),
  );
}
function policy(shape: Shape): fc.Arbitrary<AttachedPolicy> {
  return fc
    .record({
      name: fc.constantFrom('p', 'q'),
      version: fc.integer({ min: 1, max: 3 }),
      scope: fc.constantFrom('installation', 'team'),
      mode: fc.constantFrom(...shape.modes),
      rules: fc.array(rule(shape), { minLength: 1, maxLength: 3 }),
    })
    .map(({ name, version, scope, mode, rules }) => ({
      name,
      version,
      scope,
      document: { apiVersion: 'sluice.dev/v1', kind: 'Policy', metadata: { name }, spec: { mode, rules } },
    }));
}
const child = (states: readonly VerdictState[]): fc.Arbitrary<ChildFacts> =>
  fc.record({
    digest: digests,
    platform: fc.option(fc.constantFrom('linux/amd64', 'unknown/unknown')),
    stored: fc.option(
      fc.record({
        kind: fc.constantFrom('image', 'index', 'signature', 'attestation', 'artifact'),
        state: fc.constantFrom(...states),
        summary: fc.option(fc.string()),
      }),
    ),
  });
const context = (childStates: readonly VerdictState[] = VERDICT_STATES): fc.Arbitrary<EvaluationContext> =>
  fc.record({
    artifact: fc.record({
      repository: fc.constant('team/app/web'),
      digest: fc.constant(OWN),
      kind: fc.constantFrom('image', 'image', 'index', 'signature', 'attestation', 'artifact'),
    }),
    expected: fc.record({ scan: fc.boolean(), rematch: fc.boolean(), signature: fc.boolean() }),
    advisoriesLoaded: fc.boolean(),
    parents: fc.uniqueArray(fc.constant(PARENT)),
    children: fc.array(child(childStates), { maxLength: 3 }),
    trustedKeys: fc
      .uniqueArray(fc.constantFrom('k1', 'k2', 'k3'))
      .map((ids) =>
        ids.map((id) => ({ id, name: id === 'k1' ? 'release' : 'other', depth: 1, fingerprint: id })),
      ),
  });

const rank = (state: VerdictState): number => VERDICT_STATES.indexOf(state);
const RUNS = { seed: 20261121, numRuns: 300 };

describe('evaluate, whatever the inputs are', () => {
  it('answers, and says the same twice (total and pure)', () => {
    fc.assert(
      fc.property(
        fc.array(policy(ANY), { maxLength: 4 }),
        evidence,
        context(),
        (policies, records, about) => {
          const verdict = evaluate(policies, records, about);
          expect(VERDICT_STATES).toContain(verdict.state);
          expect(verdict.summary === null).toBe(verdict.state === 'green');
          expect(evaluate(policies, records, about)).toEqual(verdict);
        },
      ),
      RUNS,
    );
  });

  it('does not depend on the order of policies, rules, evidence, children, parents or keys', () => {
    const shuffled = <Item>(items: readonly Item[]) =>
      fc.shuffledSubarray([...items], { minLength: items.length, maxLength: items.length });
    const inputs = fc
      .tuple(fc.array(policy(ANY), { maxLength: 4 }), evidence, context())
      .chain(([policies, records, about]) =>
        fc.record({
          given: fc.constant({ policies, records, about }),
          policies: shuffled(policies),
          records: shuffled(records),
          about: fc.record({
            artifact: fc.constant(about.artifact),
            expected: fc.constant(about.expected),
            advisoriesLoaded: fc.constant(about.advisoriesLoaded),
            parents: shuffled(about.parents),
            children: shuffled(about.children),
            trustedKeys: shuffled(about.trustedKeys),
          }),
        }),
      );
    fc.assert(
      fc.property(inputs, ({ given, policies, records, about }) => {
        expect(evaluate(policies, records, about)).toEqual(
          evaluate(given.policies, given.records, given.about),
        );
      }),
      RUNS,
    );
  });

  it('never gets better by another policy', () => {
    fc.assert(
      fc.property(
        fc.array(policy(ANY), { maxLength: 3 }),
        policy(ANY),
        evidence,
        context(),
        (policies, more, records, about) => {
          const before = evaluate(policies, records, about).state;
          expect(rank(evaluate([...policies, more], records, about).state)).toBeGreaterThanOrEqual(
            rank(before),
          );
        },
      ),
      RUNS,
    );
  });

  it('never lets more through because evidence went missing, under closed defaults', () => {
    const passes = (state: VerdictState): boolean => state === 'green' || state === 'amber';
    fc.assert(
      fc.property(
        fc.array(policy(CLOSED), { minLength: 1, maxLength: 3 }),
        evidence,
        context(),
        fc.nat(),
        (policies, records, about, index) => {
          const after = evaluate(policies, records.toSpliced(index % (records.length || 1), 1), about).state;
          if (passes(after))
            expect(rank(evaluate(policies, records, about).state)).toBeLessThanOrEqual(rank(after));
        },
      ),
      { ...RUNS, numRuns: 1000 },
    );
  });

  it('never refuses or holds up in audit mode', () => {
    const audit = { ...ANY, modes: ['audit' as const] };
    fc.assert(
      fc.property(
        fc.array(policy(audit)),
        evidence,
        context(['green', 'amber']),
        (policies, records, about) => {
          expect(['green', 'amber']).toContain(evaluate(policies, records, about).state);
        },
      ),
      RUNS,
    );
  });

  it('is amber only by what says "warn": onMissing, noAdvisoryData, audit mode, or an amber child', () => {
    const noWarning: Shape = {
      onMissing: ['pending', 'deny', 'pass'],
      noAdvisoryData: ['deny', 'pass'],
      modes: ['enforce', 'off'],
      scanStates: [...SCAN_STATES],
    };
    fc.assert(
      fc.property(
        fc.array(policy(noWarning)),
        evidence,
        context(['green', 'red', 'pending']),
        (policies, records, about) => {
          expect(evaluate(policies, records, about).state).not.toBe('amber');
        },
      ),
      RUNS,
    );
  });

  it('never passes an image under closed defaults whose scan is not complete', () => {
    const ignorant = fc.constantFrom('partial', 'unsupported', 'error', 'no-data');
    fc.assert(
      fc.property(policy(CLOSED), ignorant, scan, context(), (demand, state, report, about) => {
        const judgesScans = demand.document?.spec.rules.some(({ kind }) => kind !== 'signature') ?? false;
        fc.pre(judgesScans && about.artifact.kind === 'image');
        const record = { id: 'scan-own', digest: OWN, evidence: { ...report, state } as ScanEvidence };
        const verdict = evaluate([demand], [record], about).state;
        expect(verdict).not.toBe('green');
        if (state !== 'no-data' || report.advisoryRevision !== null) expect(verdict).toBe('red');
      }),
      RUNS,
    );
  });
});
