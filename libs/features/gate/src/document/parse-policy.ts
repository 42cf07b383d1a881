import type { PolicyDocument } from '@sluice/domain/policy';
import { toProblems } from './problems.ts';
import { policySchema } from './schema.ts';
import { invalid, readYaml } from './yaml.ts';

/**
 * Parses a policy document and fills in its defaults.
 *
 * @param text YAML, of which JSON is a part
 * @throws PolicyError policy-invalid with every fault: where it is, what was given, what is allowed, what may be meant
 */
export function parsePolicy(text: string): PolicyDocument {
  return checkPolicy(readYaml(text));
}

/** As {@link parsePolicy}, for a document that is JSON already. */
export function checkPolicy(document: unknown): PolicyDocument {
  const result = policySchema.safeParse(document, { reportInput: false });
  if (result.success) return result.data;
  throw invalid(toProblems(result.error.issues, document));
}
