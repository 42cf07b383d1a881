import type { EvidenceRecord } from '../facts.ts';
import type { ScanEvidence } from '../evidence.ts';

/** True while no advisory data was ever loaded: nothing could be matched, and that is nobody's fault but ours. */
export function lacksAdvisoryData({ evidence }: EvidenceRecord<ScanEvidence>): boolean {
  return evidence.state === 'no-data' && evidence.advisoryRevision === null;
}

export const LOAD_ADVISORIES = 'an administrator: load advisory data with "sluice db import <file>"';

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

export const NO_DATA_REASON =
  'no advisory data was ever loaded, so nothing could be matched: load it with "sluice db import <file>"';
