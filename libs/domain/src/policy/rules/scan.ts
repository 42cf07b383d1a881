import type { ScanRule } from '../document.ts';
import type { EvidenceRecord, Facts } from '../facts.ts';
import type { ScanEvidence } from '../evidence.ts';
import {
  type Judgement,
  outcomeOfMissing,
  READABLE_CONTENTS,
  SCAN_AGAIN,
  WAIT_FOR_SCAN,
} from './judgement.ts';
import { describeState, judgeAdvisoryGap, type ReportJudgement } from './scan-states.ts';

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
        remedy: isExpected ? WAIT_FOR_SCAN : SCAN_AGAIN,
      },
    ];
  }
  return facts.scans.map((record) => ({
    ...judgeReport(rule, record, facts),
    expected,
    evidence: [record.id],
  }));
}

function judgeReport(
  rule: ScanRule,
  { evidence }: EvidenceRecord<ScanEvidence>,
  facts: Facts,
): ReportJudgement {
  const found = describeState(evidence);
  if (rule.allowedStates.includes(evidence.state))
    return { outcome: 'pass', reason: found, found, remedy: null };
  const gap = judgeAdvisoryGap(rule, evidence, facts);
  if (gap !== null) return gap;
  return {
    outcome: 'fail',
    reason: found,
    found,
    remedy:
      evidence.state === 'no-data'
        ? 'an administrator: load advisory data for these packages with "sluice db import <file>"'
        : READABLE_CONTENTS,
  };
}
