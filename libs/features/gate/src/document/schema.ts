import {
  NO_ADVISORY_DATA,
  ON_MISSING,
  POLICY_API_VERSION,
  POLICY_MODES,
  type PolicyDocument,
  type ScanRule,
  SEVERITIES,
  type Severity,
  type SignatureRule,
  type VulnerabilitiesRule,
} from '@sluice/domain/policy';
import { z } from 'zod';

/** What a person writes. Parsing fills in every default, so that what is stored keeps its meaning. */

const SCAN_STATES = ['ok', 'findings', 'partial', 'unsupported', 'no-data', 'error'] as const;
const MAX_SEVERITIES = ['none', 'low', 'medium', 'high'] as const;
const RULES_MAX = 50;

const name = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/,
    'must be 1 to 63 of lower-case letters, digits, ".", "_" and "-", beginning and ending with a letter or digit',
  );
const keyName = z.string().min(1, 'must not be empty').max(128, 'must have at most 128 characters');

const base = {
  name,
  mode: z.enum(POLICY_MODES).optional(),
  onMissing: z.enum(ON_MISSING).default('deny'),
};
const noAdvisoryData = z.enum(NO_ADVISORY_DATA).default('deny');

const vulnerabilities = z
  .strictObject({
    ...base,
    kind: z.literal('vulnerabilities'),
    severities: z.array(z.enum(SEVERITIES)).min(1, 'must name at least one severity').optional(),
    maxSeverity: z.enum(MAX_SEVERITIES).optional(),
    fixable: z.enum(['only', 'any']).default('any'),
    noAdvisoryData,
  })
  .refine((rule) => (rule.severities === undefined) !== (rule.maxSeverity === undefined), {
    message:
      'exactly one of severities (what is refused) and maxSeverity (the worst that is accepted) must be given',
  })
  .transform(({ severities, maxSeverity, ...rule }): VulnerabilitiesRule => {
    const refused = severities ?? severitiesAbove(maxSeverity ?? 'none');
    return { ...rule, severities: SEVERITIES.filter((severity) => refused.includes(severity)) };
  });

const signature = z
  .strictObject({
    ...base,
    kind: z.literal('signature'),
    keys: z
      .union([z.literal('any'), z.array(keyName).min(1, 'must name at least one key').max(20)], {
        error: 'must be "any" or a list of names of trusted keys',
      })
      .default('any'),
    threshold: z.int().min(1, 'must be at least 1').max(20, 'must be at most 20').default(1),
  })
  .refine((rule) => rule.keys === 'any' || rule.threshold <= new Set(rule.keys).size, {
    path: ['threshold'],
    message: 'must not be more than there are keys',
  })
  .transform((rule): SignatureRule => ({
    ...rule,
    keys: rule.keys === 'any' ? 'any' : [...new Set(rule.keys)].sort(),
  }));

const scan = z
  .strictObject({
    ...base,
    kind: z.literal('scan'),
    allowedStates: z
      .array(z.enum(SCAN_STATES))
      .min(1, 'must name at least one state')
      .default(['ok', 'findings']),
    noAdvisoryData,
  })
  .transform((rule): ScanRule => ({
    ...rule,
    allowedStates: SCAN_STATES.filter((state) => rule.allowedStates.includes(state)),
  }));

const rule = z.discriminatedUnion('kind', [vulnerabilities, signature, scan]);

export const policySchema: z.ZodType<PolicyDocument> = z.strictObject({
  apiVersion: z.literal(POLICY_API_VERSION),
  kind: z.literal('Policy'),
  metadata: z.strictObject({
    name,
    description: z.string().max(1000, 'must have at most 1000 characters').optional(),
  }),
  spec: z.strictObject({
    mode: z.enum(POLICY_MODES).default('enforce'),
    rules: z
      .array(rule)
      .min(1, 'must hold at least one rule')
      .max(RULES_MAX, `must hold at most ${RULES_MAX} rules`)
      .superRefine((rules, context) => {
        for (const [index, { name: given }] of rules.entries()) {
          if (rules.findIndex((other) => other.name === given) === index) continue;
          context.addIssue({
            code: 'custom',
            path: [index, 'name'],
            message: 'is the name of another rule already',
          });
        }
      }),
  }),
});

/** Keys by place, for telling what is allowed where one is not known. */
export const ALLOWED_KEYS = {
  document: ['apiVersion', 'kind', 'metadata', 'spec'],
  metadata: ['name', 'description'],
  spec: ['mode', 'rules'],
  rule: {
    vulnerabilities: [
      'name',
      'kind',
      'mode',
      'severities',
      'maxSeverity',
      'fixable',
      'onMissing',
      'noAdvisoryData',
    ],
    signature: ['name', 'kind', 'mode', 'keys', 'threshold', 'onMissing'],
    scan: ['name', 'kind', 'mode', 'allowedStates', 'onMissing', 'noAdvisoryData'],
  },
} as const;

/** Unrated findings are above no severity; they are refused where everything is. */
function severitiesAbove(max: (typeof MAX_SEVERITIES)[number]): readonly Severity[] {
  if (max === 'none') return SEVERITIES;
  return SEVERITIES.slice(SEVERITIES.indexOf(max) + 1);
}
