import type { Deployment } from './world.ts';

/**
 * What the default policy refuses for a reason: an index without some of its images, layers that lie elsewhere, and
 * what no scanner can read. Who wants to run such things warns instead, as an admin of such an installation would.
 */
const LENIENT = `
apiVersion: sluice.dev/v1
kind: Policy
metadata: {name: default, description: What cannot be scanned is allowed with a warning.}
spec:
  mode: audit
  rules:
    - {name: scanned, kind: scan}
    - {name: no-fixable-critical, kind: vulnerabilities, severities: [critical], fixable: only}
`;

export async function warnInsteadOfRefusing(deployment: Deployment): Promise<void> {
  await deployment.api('PUT', '/policies', { node: null, document: LENIENT });
}
