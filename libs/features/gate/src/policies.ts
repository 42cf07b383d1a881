import type {
  AuditActor,
  AuditLog,
  PolicyQuery,
  PolicyRecord,
  PolicyStore,
  PolicyVersion,
} from '@sluice/database';
import { DEFAULT_POLICY, DEFAULT_POLICY_NAME, PolicyError } from '@sluice/domain/policy';
import { parsePolicy } from './document/parse-policy.ts';

export interface PolicyAuthor extends AuditActor {
  /** Row of `principal`, null for Sluice itself. */
  readonly principalId: string | null;
}

/** Which policies hold where. Every change is judged again everywhere below, soon after. */
export class Policies {
  readonly #policies: PolicyStore;
  readonly #audit: AuditLog;

  constructor(policies: PolicyStore, audit: AuditLog) {
    this.#policies = policies;
    this.#audit = audit;
  }

  /** Gives a new installation its default policy. One that is there stays, whatever was made of it. */
  async ensureDefault(): Promise<void> {
    if ((await this.#policies.find(null, DEFAULT_POLICY_NAME)) !== null) return;
    try {
      await this.#policies.apply({
        nodeId: null,
        document: DEFAULT_POLICY,
        createdBy: null,
        expectedVersion: 0,
      });
    } catch (error) {
      // Another process starts at the same time.
      if (!(error instanceof PolicyError) || error.code !== 'policy-changed') throw error;
    }
  }

  /**
   * Makes a document the newest version of the policy of its name in a group, project or (`nodeId` null) in the whole
   * installation. A document that is already in force changes nothing.
   *
   * @param policy.text YAML or JSON
   * @param policy.expectedVersion the version that the author has seen, 0 for none; undefined for any
   * @throws PolicyError policy-invalid, policy-changed, policy-node-unknown
   */
  async apply(
    by: PolicyAuthor,
    policy: {
      readonly nodeId: string | null;
      readonly text: string;
      readonly expectedVersion?: number | undefined;
    },
  ): Promise<{ readonly policy: PolicyRecord; readonly changed: boolean }> {
    const document = parsePolicy(policy.text);
    const applied = await this.#policies.apply({
      nodeId: policy.nodeId,
      document,
      createdBy: by.principalId,
      expectedVersion: policy.expectedVersion,
    });
    if (applied.changed) await this.#record(by, 'policy.apply', applied.policy, { document });
    return applied;
  }

  /** Null when there is no such policy. */
  get(id: string): Promise<PolicyRecord | null> {
    return this.#policies.get(id);
  }

  list(query: PolicyQuery): Promise<PolicyRecord[]> {
    return this.#policies.list(query);
  }

  /** Newest first; empty when there is no such policy. */
  versions(id: string): Promise<PolicyVersion[]> {
    return this.#policies.versions(id);
  }

  /** @throws PolicyError policy-unknown, policy-changed, policy-protected for the installation's default policy */
  async delete(by: PolicyAuthor, id: string, expectedVersion?: number): Promise<void> {
    const policy = await this.#policies.get(id);
    if (policy === null) throw unknownPolicy();
    if (policy.nodeId === null && policy.name === DEFAULT_POLICY_NAME) {
      throw new PolicyError(
        'policy-protected',
        'the default policy of the installation cannot be deleted: apply it with "mode: off" to switch it off',
      );
    }
    const deleted = await this.#policies.delete(id, expectedVersion);
    if (deleted === null) throw unknownPolicy();
    await this.#record(by, 'policy.delete', deleted, {});
  }

  #record(
    { actor, tokenId, clientAddress, requestId }: PolicyAuthor,
    action: string,
    policy: PolicyRecord,
    detail: Readonly<Record<string, unknown>>,
  ): Promise<void> {
    return this.#audit.record({
      actor,
      tokenId,
      clientAddress,
      requestId,
      action,
      resource: policy.nodePath ?? 'installation',
      decision: 'allowed',
      policyVersion: `${policy.name}@${policy.version}`,
      detail: { id: policy.id, name: policy.name, ...detail },
    });
  }
}

function unknownPolicy(): PolicyError {
  return new PolicyError('policy-unknown', 'there is no such policy');
}
