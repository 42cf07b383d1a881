import type { ScanRule, VulnerabilitiesRule } from '../document.ts';
import type { ScanEvidence } from '../evidence.ts';
import type { Facts } from '../facts.ts';
import { type Judgement, outcomeOfMissing, outcomeOfNoData, SCAN_AGAIN, WAIT_FOR_SCAN } from './judgement.ts';

/** A judgement of one scan report, without what its rule says of all of them. */
export type ReportJudgement = Omit<Judgement, 'expected' | 'evidence'>;

/**
 * Judges a report that could match nothing, because there was no advisory data at all; null for any other report.
 * While none was ever loaded that is nobody's fault but ours, and the rule says what holds; once there is some, the
 * report is from before it, and as good as missing.
 */
export function judgeAdvisoryGap(
  rule: ScanRule | VulnerabilitiesRule,
  evidence: ScanEvidence,
  { context }: Facts,
): ReportJudgement | null {
  if (evidence.state !== 'no-data' || evidence.advisoryRevision !== null) return null;
  if (!context.advisoriesLoaded) {
    return {
      outcome: outcomeOfNoData(rule.noAdvisoryData),
      reason:
        'no advisory data was ever loaded, so nothing could be matched: load it with "sluice db import <file>"',
      found: describeState(evidence),
      remedy: 'an administrator: load advisory data with "sluice db import <file>"',
    };
  }
  const isExpected = context.expected.scan || context.expected.rematch;
  return {
    outcome: outcomeOfMissing(rule.onMissing, isExpected),
    reason: 'it was scanned before advisory data was loaded, so its findings are unknown',
    found: 'a scan report from before the first advisory data',
    remedy: isExpected ? WAIT_FOR_SCAN : SCAN_AGAIN,
  };
}

/** What a state of ignorance means, with the scanner's own reasons. */
export function describeState(evidence: ScanEvidence): string {
  const meaning: Readonly<Record<string, string>> = {
    ok: 'scanned, nothing found',
    findings: 'scanned, with findings',
    partial: 'only partly scanned',
    unsupported: 'the scanner can read nothing in it',
    'no-data': 'no advisory data covers what is in it',
    error: 'the scan failed',
  };
  const text = meaning[evidence.state] ?? 'the scan result cannot be understood';
  const reasons = evidence.reasons.slice(0, 3).join('; ');
  return reasons === '' ? text : `${text} (${reasons})`;
}
