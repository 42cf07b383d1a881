import type {
  AuditActor,
  AuditLog,
  CiBindingQuery,
  CiBindingRecord,
  CiBindingStore,
  NewCiBinding,
} from '@sluice/database';
import { AccessError, assertMachineRole, assertMayHandle, type Role } from '@sluice/domain/access';

/** Which GitLab projects' CI jobs may act on which node. */
export class CiBindings {
  readonly #bindings: CiBindingStore;
  readonly #audit: AuditLog;
  readonly #issuers: readonly string[];

  /** @param issuers the GitLab instances whose id_tokens are accepted */
  constructor(bindings: CiBindingStore, audit: AuditLog, issuers: readonly string[]) {
    this.#bindings = bindings;
    this.#audit = audit;
    this.#issuers = issuers;
  }

  /** The instance that is meant when none is named; null unless exactly one is configured. */
  get defaultIssuer(): string | null {
    return this.#issuers.length === 1 ? (this.#issuers[0] ?? null) : null;
  }

  /**
   * Binds a GitLab project to a node.
   *
   * @param granterRole the greatest role of whoever binds on the node; `owner` for an administrator
   * @throws AccessError binding-invalid, binding-taken, role-invalid, denied, node-unknown
   */
  async create(by: AuditActor, granterRole: Role, binding: NewCiBinding): Promise<CiBindingRecord> {
    if (!this.#issuers.includes(binding.issuer)) {
      const known = this.#issuers.join(', ') || 'none (no GitLab is configured)';
      throw new AccessError(
        'binding-invalid',
        `issuer ${binding.issuer} is not trusted here: the configured ones are ${known}`,
      );
    }
    assertMachineRole(binding.role);
    assertMayHandle(granterRole, binding.role);
    const record = await this.#bindings.create(binding);
    await this.#audit.record({
      ...by,
      action: 'ci-binding.create',
      resource: record.nodePath,
      decision: 'allowed',
      detail: {
        issuer: record.issuer,
        gitlabProjectId: record.gitlabProjectId,
        role: record.role,
        conditions: record.conditions,
      },
    });
    return record;
  }

  get(id: string): Promise<CiBindingRecord | null> {
    return this.#bindings.get(id);
  }

  list(query: CiBindingQuery): Promise<CiBindingRecord[]> {
    return this.#bindings.list(query);
  }

  /** Ends what running jobs of the GitLab project got by it. @throws AccessError binding-unknown */
  async remove(by: AuditActor, id: string): Promise<void> {
    const record = await this.#bindings.get(id);
    if (record === null || !(await this.#bindings.remove(id))) {
      throw new AccessError('binding-unknown', 'there is no such CI binding');
    }
    await this.#audit.record({
      ...by,
      action: 'ci-binding.remove',
      resource: record.nodePath,
      decision: 'allowed',
      detail: { issuer: record.issuer, gitlabProjectId: record.gitlabProjectId, role: record.role },
    });
  }
}
