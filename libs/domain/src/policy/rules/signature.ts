import type { SignatureRule } from '../document.ts';
import type { EvidenceRecord, Facts, TrustedKey } from '../facts.ts';
import type { SignatureEvidence } from '../evidence.ts';
import { count, enumerate, type Judgement, outcomeOfMissing } from './judgement.ts';

/** Statements of this type say "this image is signed"; any other predicate is an attestation about it. */
const SIGNATURE_PREDICATE = 'https://sigstore.dev/cosign/sign/v1';

/**
 * Counts the different trusted keys that signed the artifact or an index that names it.
 *
 * Keys are counted, not signatures, and equal keys under two names count once.
 */
export function judgeSignature(rule: SignatureRule, facts: Facts): Judgement {
  const accepted = acceptedKeys(rule, facts.context.trustedKeys);
  const signatures = facts.signatures.filter(isImageSignature);
  const signers = new Map<string, TrustedKey>();
  const deciding = new Set<string>();
  for (const record of signatures) {
    for (const key of signersOf(record, accepted)) {
      signers.set(key.fingerprint, key);
      deciding.add(record.id);
    }
  }
  const expected = describeExpected(rule);
  const names = [...signers.values()].map(({ name }) => name).sort();
  if (signers.size >= rule.threshold) {
    const found = `signed by ${enumerate(names)}`;
    return { outcome: 'pass', reason: found, expected, found, evidence: [...deciding], remedy: null };
  }
  const isExpected = facts.context.expected.signature;
  const found = describeInsufficient(signatures, names);
  return {
    outcome: signatures.length === 0 || isExpected ? outcomeOfMissing(rule.onMissing, isExpected) : 'fail',
    reason: isExpected ? 'signatures are being verified' : found,
    expected,
    found,
    evidence: signatures.map(({ id }) => id),
    remedy: describeRemedy(rule, facts, accepted),
  };
}

/**
 * A name means the key that the topmost node knows by it: else whoever owns a project could give a key of their own
 * the name that the policy of a group demands.
 */
function acceptedKeys({ keys }: SignatureRule, trusted: readonly TrustedKey[]): readonly TrustedKey[] {
  if (keys === 'any') return trusted;
  const named = trusted.filter(({ name }) => keys.includes(name));
  return named.filter((key) => !named.some(({ name, depth }) => name === key.name && depth < key.depth));
}

function isImageSignature({ evidence }: EvidenceRecord<SignatureEvidence>): boolean {
  return evidence.predicateType === null || evidence.predicateType === SIGNATURE_PREDICATE;
}

/** The trusted keys that verified a signature, if it is one of the digest that it is filed under. */
function signersOf(
  { digest, evidence }: EvidenceRecord<SignatureEvidence>,
  accepted: readonly TrustedKey[],
): TrustedKey[] {
  if (!evidence.verified || evidence.signedDigest !== digest) return [];
  return accepted.filter(({ id }) => evidence.trustedKeys.includes(id));
}

function describeExpected({ keys, threshold }: SignatureRule): string {
  if (keys === 'any') return `signed by ${count(threshold, 'trusted key')}`;
  const names = enumerate(keys, 10);
  return keys.length === 1 ? `signed by the key ${names}` : `signed by ${threshold} of the keys ${names}`;
}

function describeInsufficient(
  signatures: readonly EvidenceRecord<SignatureEvidence>[],
  names: readonly string[],
): string {
  if (signatures.length === 0) return 'it is not signed';
  if (names.length > 0) return `signed only by ${enumerate(names)}`;
  const reasons = new Set(
    signatures.map(({ evidence }) => evidence.reason ?? 'made by a key that this rule does not accept'),
  );
  return `${count(signatures.length, 'signature')}, none of which counts: ${enumerate([...reasons].sort(), 2)}`;
}

function describeRemedy(rule: SignatureRule, facts: Facts, accepted: readonly TrustedKey[]): string {
  const { repository, digest } = facts.context.artifact;
  if (accepted.length === 0) {
    const wanted = rule.keys === 'any' ? 'a key' : `the key ${enumerate(rule.keys)}`;
    return `a maintainer of ${repository}: trust ${wanted} there; no key that this rule accepts is trusted`;
  }
  return `a developer of ${repository}: sign ${digest} with ${enumerate(accepted.map(({ name }) => name).sort())}`;
}
