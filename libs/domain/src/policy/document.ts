import type { ScanState, Severity } from './evidence.ts';

export const POLICY_API_VERSION = 'sluice.dev/v1';

export const POLICY_MODES = ['enforce', 'audit', 'off'] as const;
/** `audit` judges and warns but never refuses; `off` takes the policy or rule away. */
export type PolicyMode = (typeof POLICY_MODES)[number];

export const ON_MISSING = ['pending', 'deny', 'warn', 'pass'] as const;
/**
 * What holds while the evidence that a rule needs is missing or says nothing. As long as work that may bring it is
 * under way the rule is pending, whatever this says.
 */
export type OnMissing = (typeof ON_MISSING)[number];

export const NO_ADVISORY_DATA = ['warn', 'deny', 'pass'] as const;
/** What holds while no advisory data was ever loaded into this installation, so that nothing could be matched. */
export type NoAdvisoryData = (typeof NO_ADVISORY_DATA)[number];

export const RULE_KINDS = ['vulnerabilities', 'signature', 'scan'] as const;
export type RuleKind = (typeof RULE_KINDS)[number];

interface RuleBase {
  /** Unique in its policy. */
  readonly name: string;
  /** Overrides the mode of the policy, unless that is `off`. */
  readonly mode?: PolicyMode | undefined;
  readonly onMissing: OnMissing;
}

/** No finding of these severities. Needs a complete scan: what was not looked at may hide one. */
export interface VulnerabilitiesRule extends RuleBase {
  readonly kind: 'vulnerabilities';
  readonly severities: readonly Severity[];
  /** `only`: a finding counts when a fixed version is published. Malicious packages always count. */
  readonly fixable: 'only' | 'any';
  readonly noAdvisoryData: NoAdvisoryData;
}

/** Signed by enough of the keys that are trusted where the artifact lies. */
export interface SignatureRule extends RuleBase {
  readonly kind: 'signature';
  /** Names of trusted keys, or any of them. */
  readonly keys: 'any' | readonly string[];
  /** How many different keys must have signed. */
  readonly threshold: number;
}

/** Scanned, with one of these results. */
export interface ScanRule extends RuleBase {
  readonly kind: 'scan';
  readonly allowedStates: readonly ScanState[];
  readonly noAdvisoryData: NoAdvisoryData;
}

export type PolicyRule = VulnerabilitiesRule | SignatureRule | ScanRule;

/** A policy as it is stored: parsed, with every default filled in. */
export interface PolicyDocument {
  readonly apiVersion: typeof POLICY_API_VERSION;
  readonly kind: 'Policy';
  readonly metadata: { readonly name: string; readonly description?: string | undefined };
  readonly spec: { readonly mode: PolicyMode; readonly rules: readonly PolicyRule[] };
}

/** Which mode a rule has in the end. */
export function effectiveMode(document: PolicyDocument, rule: PolicyRule): PolicyMode {
  return document.spec.mode === 'off' ? 'off' : (rule.mode ?? document.spec.mode);
}
