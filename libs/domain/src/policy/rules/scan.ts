import type { ScanRule } from '../document.ts';
import type { EvidenceRecord, Facts } from '../facts.ts';
import type { ScanEvidence } from '../evidence.ts';
import { type Judgement, outcomeOfMissing, outcomeOfNoData } from './judgement.ts';
import { describeState, lacksAdvisoryData, LOAD_ADVISORIES, NO_DATA_REASON } from './scan-states.ts';

/** One judgement for each scan report of the artifact, one that says "missing" when there is none. */
export function judgeScan(rule: ScanRule, facts: Facts): Judgement[] {
  const expected = `scanned, with the result ${rule.allowedStates.join(' or ')}`;
  if (facts.scans.length === 0) {
    const isExpected = facts.context.expected.scan;
    return [
      {
        outcome: outcomeOfMissing(rule.onMissing, isExpected),
        reason: isExpected ? 'the scan has not finished yet' : 'it was never scanned',
        expected,
        found: isExpected ? 'a scan that is queued or running' : 'no scan report',
        evidence: [],
        remedy: isExpected
          ? 'nobody: wait for the scan'
          : 'an operator: see why the scan did not run, and scan it again',
      },
    ];
  }
  return facts.scans.map((record) => ({ ...judgeReport(rule, record), expected, evidence: [record.id] }));
}

function judgeReport(
  rule: ScanRule,
  record: EvidenceRecord<ScanEvidence>,
): Omit<Judgement, 'expected' | 'evidence'> {
  const { evidence } = record;
  const found = describeState(evidence);
  if (rule.allowedStates.includes(evidence.state))
    return { outcome: 'pass', reason: found, found, remedy: null };
  if (lacksAdvisoryData(record)) {
    return {
      outcome: outcomeOfNoData(rule.noAdvisoryData),
      reason: NO_DATA_REASON,
      found,
      remedy: LOAD_ADVISORIES,
    };
  }
  return {
    outcome: 'fail',
    reason: found,
    found,
    remedy:
      evidence.state === 'no-data'
        ? 'an administrator: load advisory data for these packages with "sluice db import <file>"'
        : 'whoever builds it: use contents that the scanner can read; an operator: see why the scan is not complete',
  };
}
