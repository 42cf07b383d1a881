import { POLICY_API_VERSION, type PolicyDocument } from './document.ts';

export const DEFAULT_POLICY_NAME = 'default';

/**
 * What a new installation enforces on everything: nothing unscanned, and no critical vulnerability that a newer
 * version fixes. Only as long as no advisory data was ever loaded does it warn instead of refusing, because then a
 * first push could never be pulled.
 */
export const DEFAULT_POLICY: PolicyDocument = {
  apiVersion: POLICY_API_VERSION,
  kind: 'Policy',
  metadata: {
    name: DEFAULT_POLICY_NAME,
    description: 'Nothing unscanned, no critical vulnerability that a newer version fixes.',
  },
  spec: {
    mode: 'enforce',
    rules: [
      {
        name: 'scanned',
        kind: 'scan',
        allowedStates: ['ok', 'findings'],
        onMissing: 'deny',
        noAdvisoryData: 'warn',
      },
      {
        name: 'no-fixable-critical',
        kind: 'vulnerabilities',
        severities: ['critical'],
        fixable: 'only',
        onMissing: 'deny',
        noAdvisoryData: 'warn',
      },
    ],
  },
};
