import type { EvidenceEntry } from '@sluice/database';
import { type ScanEvidence, SEVERITIES, type Severity, type SignatureEvidence } from '@sluice/domain/policy';
import { encodeId } from '../http/ids.ts';

/** What evidence says, short enough for a list: a scan with counts instead of its findings. */
export function presentEvidencePayload(entry: EvidenceEntry): unknown {
  switch (entry.kind) {
    case 'scan':
      return presentScan(entry.payload as ScanEvidence);
    case 'signature':
      return presentSignature(entry.payload as SignatureEvidence);
    default:
      return null;
  }
}

function presentScan({ findings, ...scan }: ScanEvidence): object {
  const counts = Object.fromEntries(SEVERITIES.map((severity) => [severity, 0])) as Record<Severity, number>;
  for (const { severity } of findings) counts[severity] += 1;
  return { ...scan, findings: counts };
}

function presentSignature(signature: SignatureEvidence): object {
  const trustedKeys = signature.trustedKeys.map((id) => encodeId('trustedKey', id));
  return { ...signature, trustedKeys };
}
