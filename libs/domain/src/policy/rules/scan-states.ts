import type { Facts } from '../facts.ts';
import type { ScanEvidence } from '../evidence.ts';

/**
 * Why a scan could match nothing: `never-loaded` while no advisory data was ever loaded, which is nobody's fault but
 * ours; `stale` when the report is from that time and data came since.
 */
export function advisoryGap(evidence: ScanEvidence, facts: Facts): 'never-loaded' | 'stale' | null {
  if (evidence.state !== 'no-data' || evidence.advisoryRevision !== null) return null;
  return facts.context.advisoriesLoaded ? 'stale' : 'never-loaded';
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

export const STALE_REASON = 'it was scanned before advisory data was loaded, so its findings are unknown';
export const STALE_FOUND = 'a scan report from before the first advisory data';
