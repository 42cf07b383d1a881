import { type Finding, SEVERITIES, type Severity } from '@sluice/domain/policy';

export interface FindingFilter {
  /** Null: every severity. */
  readonly severities: readonly Severity[] | null;
  /** True: only with a published fix; false: only without one; null: both. */
  readonly fixable: boolean | null;
}

/** A finding with the image that has it; one artifact of an index can differ from the next. */
export interface ImageFinding extends Finding {
  readonly image: { readonly digest: string; readonly platform: string | null };
}

/** The findings that match, worst first, in an order that stays the same from page to page. */
export function selectFindings(findings: readonly ImageFinding[], filter: FindingFilter): ImageFinding[] {
  return findings.filter((finding) => matches(finding, filter)).toSorted(byWeight);
}

function matches(finding: ImageFinding, filter: FindingFilter): boolean {
  if (filter.severities !== null && !filter.severities.includes(finding.severity)) return false;
  return filter.fixable === null || (finding.fixedVersion !== null) === filter.fixable;
}

function byWeight(a: ImageFinding, b: ImageFinding): number {
  return (
    SEVERITIES.indexOf(b.severity) - SEVERITIES.indexOf(a.severity) ||
    (b.score ?? 0) - (a.score ?? 0) ||
    compareText(a.package.name, b.package.name) ||
    compareText(a.package.version, b.package.version) ||
    compareText(a.advisory, b.advisory) ||
    compareText(a.path, b.path) ||
    compareText(a.image.digest, b.image.digest)
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
