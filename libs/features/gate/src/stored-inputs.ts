import type { VerdictInputs } from '@sluice/database';
import {
  type AttachedPolicy,
  type Evaluation,
  evaluate,
  type Evidence,
  type EvidenceRecord,
  PolicyError,
  SEVERITIES,
} from '@sluice/domain/policy';
import { checkPolicy } from './document/parse-policy.ts';

/**
 * Judges what the database returned. Rows may be from an older or newer Sluice: what cannot be read is taken for the
 * worst that it may say, never for nothing.
 */
export function judge(inputs: VerdictInputs): Evaluation {
  return evaluate(inputs.policies.map(readPolicy), inputs.evidence.map(readEvidence), inputs.context);
}

function readPolicy(policy: VerdictInputs['policies'][number]): AttachedPolicy {
  const { name, version, scope } = policy;
  try {
    return { name, version, scope, document: checkPolicy(policy.document) };
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error;
    return { name, version, scope, document: null };
  }
}

function readEvidence(record: EvidenceRecord): EvidenceRecord {
  const { id, digest } = record;
  const evidence = record.evidence as Evidence | null;
  if (evidence?.kind === 'signature') {
    return isReadableSignature(evidence)
      ? record
      : { id, digest, evidence: { ...evidence, ...UNREADABLE_SIGNATURE } };
  }
  if (evidence?.kind === 'scan' && isReadableScan(evidence)) return record;
  return { id, digest, evidence: UNREADABLE_SCAN };
}

const UNREADABLE = 'the stored evidence cannot be read';
const UNREADABLE_SIGNATURE = {
  verified: false,
  trustedKeys: [],
  signedDigest: null,
  predicateType: null,
  reason: UNREADABLE,
};
const UNREADABLE_SCAN: Evidence = {
  kind: 'scan',
  state: 'error',
  reasons: [UNREADABLE],
  packages: 0,
  findings: [],
  engine: 'unknown',
  advisoryRevision: null,
  scannedAt: '1970-01-01T00:00:00Z',
};

function isReadableScan(evidence: Extract<Evidence, { kind: 'scan' }>): boolean {
  const { state, reasons, packages, findings, advisoryRevision } = evidence as unknown as Record<
    string,
    unknown
  >;
  return (
    typeof state === 'string' &&
    isTexts(reasons) &&
    typeof packages === 'number' &&
    (advisoryRevision === null || typeof advisoryRevision === 'number') &&
    Array.isArray(findings) &&
    findings.every(isReadableFinding)
  );
}

function isReadableFinding(finding: unknown): boolean {
  if (typeof finding !== 'object' || finding === null) return false;
  const {
    advisory,
    aliases,
    package: affected,
    severity,
    score,
    fixedVersion,
  } = finding as Record<string, unknown>;
  if (typeof affected !== 'object' || affected === null) return false;
  const { name, version } = affected as Record<string, unknown>;
  return (
    [advisory, name, version].every((text) => typeof text === 'string') &&
    isTexts(aliases) &&
    SEVERITIES.some((known) => known === severity) &&
    (score === null || typeof score === 'number') &&
    (fixedVersion === null || typeof fixedVersion === 'string')
  );
}

function isReadableSignature(evidence: Extract<Evidence, { kind: 'signature' }>): boolean {
  const { verified, signedDigest, trustedKeys, predicateType, reason } = evidence as unknown as Record<
    string,
    unknown
  >;
  const optional = [signedDigest, predicateType, reason];
  return (
    typeof verified === 'boolean' &&
    isTexts(trustedKeys) &&
    optional.every((text) => text === null || typeof text === 'string')
  );
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
