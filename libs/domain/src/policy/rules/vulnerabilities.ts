import type { VulnerabilitiesRule } from '../document.ts';
import type { EvidenceRecord, Facts } from '../facts.ts';
import { type Finding, SEVERITIES, type ScanEvidence } from '../evidence.ts';
import {
  count,
  enumerate,
  type Judgement,
  outcomeOfMissing,
  READABLE_CONTENTS,
  SCAN_AGAIN,
  WAIT_FOR_SCAN,
} from './judgement.ts';
import { describeState, judgeAdvisoryGap, type ReportJudgement } from './scan-states.ts';

/** One judgement for each scan report of the artifact, one that says "missing" when there is none. */
export function judgeVulnerabilities(rule: VulnerabilitiesRule, facts: Facts): Judgement[] {
  const expected = `no ${describeDenied(rule)}`;
  if (facts.scans.length === 0) {
    const isExpected = facts.context.expected.scan;
    return [
      {
        outcome: outcomeOfMissing(rule.onMissing, isExpected),
        reason: isExpected
          ? 'the scan has not finished yet'
          : 'it was never scanned, so its findings are unknown',
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
  rule: VulnerabilitiesRule,
  { evidence }: EvidenceRecord<ScanEvidence>,
  facts: Facts,
): ReportJudgement {
  const denied = deniedFindings(rule, evidence.findings);
  if (denied.length > 0) return judgeDenied(rule, denied, facts.context.artifact.repository);
  if (evidence.state === 'ok' || evidence.state === 'findings') {
    const found = count(evidence.findings.length, 'finding');
    return {
      outcome: 'pass',
      reason: `no ${describeDenied(rule)} among ${found} in ${count(evidence.packages, 'package')}`,
      found,
      remedy: null,
    };
  }
  const found = describeState(evidence);
  const gap = judgeAdvisoryGap(rule, evidence, facts);
  if (gap !== null) return gap;
  // The report is there and says that something was not seen: no work is under way that would change that.
  return {
    outcome: outcomeOfMissing(rule.onMissing, false),
    reason: `its findings are not completely known: ${found}`,
    found,
    remedy: READABLE_CONTENTS,
  };
}

function judgeDenied(
  rule: VulnerabilitiesRule,
  denied: readonly Finding[],
  repository: string,
): ReportJudgement {
  const updates = new Set<string>();
  for (const {
    package: { name },
    fixedVersion,
  } of denied) {
    if (fixedVersion !== null) updates.add(`${name} to ${fixedVersion}`);
  }
  const advice =
    updates.size > 0
      ? `update ${enumerate([...updates])}, build again and push`
      : 'no fixed version is published: remove or replace the package';
  return {
    outcome: 'fail',
    reason: `${count(denied.length, describeDenied(rule))}: ${enumerate(denied.map(describeFinding))}`,
    found: enumerate(denied.map(describeFinding), 10),
    remedy: `a developer of ${repository}: ${advice}`,
  };
}

/** Worst first, each advisory once for each package, in an order that depends on nothing else. */
function deniedFindings(rule: VulnerabilitiesRule, findings: readonly Finding[]): Finding[] {
  const denied = new Map<string, { finding: Finding; order: string }>();
  for (const finding of findings) {
    if (!isDenied(rule, finding)) continue;
    const { name, version } = finding.package;
    const key = JSON.stringify([name, version, finding.advisory]);
    const severity = SEVERITIES.length - SEVERITIES.indexOf(finding.severity);
    const score = (10 - (finding.score ?? 0)).toFixed(1).padStart(5, '0');
    const order = `${severity} ${score} ${key} ${finding.fixedVersion ?? ''}`;
    const other = denied.get(key);
    if (other === undefined || order < other.order) denied.set(key, { finding, order });
  }
  return [...denied.values()]
    .sort((left, right) => (left.order < right.order ? -1 : left.order > right.order ? 1 : 0))
    .map(({ finding }) => finding);
}

function isDenied(rule: VulnerabilitiesRule, finding: Finding): boolean {
  // OSV's MAL- records say that the package itself is the attack: it is critical, and there is nothing to wait for.
  if (isMalicious(finding)) return rule.severities.includes('critical');
  if (rule.fixable === 'only' && finding.fixedVersion === null) return false;
  return rule.severities.includes(finding.severity);
}

function isMalicious({ advisory, aliases }: Finding): boolean {
  return [advisory, ...aliases].some((id) => id.startsWith('MAL-'));
}

function describeDenied(rule: VulnerabilitiesRule): string {
  const severities = SEVERITIES.filter((severity) => rule.severities.includes(severity)).reverse();
  const names = severities.length === SEVERITIES.length ? '' : severities.join(' or ');
  return [rule.fixable === 'only' ? 'fixable' : '', names, 'finding'].filter((word) => word !== '').join(' ');
}

function describeFinding(finding: Finding): string {
  const { name, version } = finding.package;
  const fix = finding.fixedVersion === null ? 'no fix' : `fixed in ${finding.fixedVersion}`;
  const cve = [finding.advisory, ...finding.aliases].find((id) => id.startsWith('CVE-')) ?? finding.advisory;
  return `${cve} in ${name} ${version} (${fix})`;
}
