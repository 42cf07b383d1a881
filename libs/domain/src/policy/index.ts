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
export {
  type GateDecision,
  type RuleResult,
  type StoredVerdict,
  type VerdictState,
  decideGate,
} from './verdict.ts';
