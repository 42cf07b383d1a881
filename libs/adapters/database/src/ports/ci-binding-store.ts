import type { CiBinding } from '@sluice/domain/access';
import type { PrincipalRecord } from './principal-store.ts';

export interface CiBindingRecord extends CiBinding {
  /** Path of the GitLab project when the binding was made; shown, never compared. */
  readonly gitlabProjectPath: string;
  readonly nodePath: string;
  readonly createdAt: Date;
}

export interface NewCiBinding extends Omit<CiBinding, 'id' | 'principalId'> {
  readonly gitlabProjectPath: string;
}

export interface CiBindingQuery {
  readonly nodeId: string;
  /** Id of the last item of the page before. */
  readonly after: string | null;
  readonly limit: number;
}

/** Which GitLab projects' CI jobs have which role on which node. */
export abstract class CiBindingStore {
  /**
   * Stores a binding, and the workload principal of the GitLab project when it is the first.
   *
   * @throws AccessError binding-taken when the GitLab project is bound to the node already; node-unknown
   */
  abstract create(binding: NewCiBinding): Promise<CiBindingRecord>;

  abstract get(id: string): Promise<CiBindingRecord | null>;

  /** Oldest first. At most `limit` items. */
  abstract list(query: CiBindingQuery): Promise<CiBindingRecord[]>;

  /** Removes it and raises the workload's epoch. False when there was none. */
  abstract remove(id: string): Promise<boolean>;

  /** The workload of a GitLab project with all its bindings; null when there is none. */
  abstract forProject(
    issuer: string,
    gitlabProjectId: string,
  ): Promise<{ principal: PrincipalRecord; bindings: CiBinding[] } | null>;
}
