export { SluiceError } from '../errors.ts';
export {
  type Evidence,
  type Finding,
  SEVERITIES,
  type ScanEvidence,
  type ScanState,
  type Severity,
  type SignatureEvidence,
} from './evidence.ts';
export { canonicalJson } from '../canonical-json.ts';
export { DEFAULT_POLICY, DEFAULT_POLICY_NAME } from './default-policy.ts';
export {
  NO_ADVISORY_DATA,
  type NoAdvisoryData,
  ON_MISSING,
  type OnMissing,
  POLICY_API_VERSION,
  POLICY_MODES,
  type PolicyDocument,
  type PolicyMode,
  type PolicyRule,
  RULE_KINDS,
  type RuleKind,
  type ScanRule,
  type SignatureRule,
  type VulnerabilitiesRule,
} from './document.ts';
export { PolicyError, type PolicyErrorCode, type PolicyProblem } from './errors.ts';
export { type Evaluation, evaluate } from './evaluate.ts';
export type { AttachedPolicy, ChildFacts, EvaluationContext, EvidenceRecord, TrustedKey } from './facts.ts';
export {
  type GateDecision,
  type RuleResult,
  type StoredVerdict,
  VERDICT_STATES,
  type VerdictState,
  decideGate,
  lacksOnlySignatures,
  worstState,
} from './verdict.ts';
