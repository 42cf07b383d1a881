import type {
  AuditActor,
  AuditLog,
  NodeChanges,
  NodeQuery,
  NodeRecord,
  NodeStore,
  NodeTarget,
} from '@sluice/database';
import { AccessError, type NodeKind, parseNodePath, type Visibility } from '@sluice/domain/access';
import type { RepositoryName } from '@sluice/domain/oci';

/** The tree of groups and projects, and which project owns a repository. */
export class Projects {
  readonly #nodes: NodeStore;
  readonly #audit: AuditLog;

  constructor(nodes: NodeStore, audit: AuditLog) {
    this.#nodes = nodes;
    this.#audit = audit;
  }

  /**
   * Creates a project and every missing group above it.
   *
   * @throws AccessError path-invalid, path-taken
   */
  createProject(by: AuditActor, project: { path: string; visibility: Visibility }): Promise<NodeRecord> {
    return this.#create(by, 'project', project);
  }

  /** @throws AccessError path-invalid, path-taken */
  createGroup(by: AuditActor, group: { path: string; visibility: Visibility }): Promise<NodeRecord> {
    return this.#create(by, 'group', group);
  }

  /** Null when there is no such node. */
  get(target: NodeTarget): Promise<NodeRecord | null> {
    return this.#nodes.get(target);
  }

  list(query: NodeQuery): Promise<NodeRecord[]> {
    return this.#nodes.list(query);
  }

  /** The project whose path is the repository's name or its longest leading part; null when no project owns it. */
  resolveRepositoryProject(name: RepositoryName): Promise<NodeRecord | null> {
    return this.#nodes.get({ repository: name });
  }

  /** @throws AccessError node-unknown */
  async update(by: AuditActor, id: string, changes: NodeChanges): Promise<NodeRecord> {
    const before = await this.#existing(id);
    const node = await this.#nodes.update(id, changes);
    const changed = Object.keys(changes) as (keyof NodeChanges)[];
    const values = (of: NodeRecord): object => Object.fromEntries(changed.map((key) => [key, of[key]]));
    await this.#audit.record({
      ...by,
      action: `${node.kind}.update`,
      resource: node.path,
      decision: 'allowed',
      detail: { before: values(before), after: values(node) },
    });
    return node;
  }

  /**
   * Deletes an empty group or project with its robots, grants and bindings.
   *
   * @throws AccessError node-unknown, node-not-empty
   */
  async delete(by: AuditActor, id: string): Promise<void> {
    const node = await this.#existing(id);
    await this.#nodes.delete(id);
    await this.#audit.record({
      ...by,
      action: `${node.kind}.delete`,
      resource: node.path,
      decision: 'allowed',
      detail: {},
    });
  }

  async #create(
    by: AuditActor,
    kind: NodeKind,
    node: { path: string; visibility: Visibility },
  ): Promise<NodeRecord> {
    const path = parseNodePath(node.path);
    const created = await this.#nodes.create({ kind, path, visibility: node.visibility });
    for (const each of created) {
      await this.#audit.record({
        ...by,
        action: `${each.kind}.create`,
        resource: each.path,
        decision: 'allowed',
        detail: { visibility: each.visibility },
      });
    }
    const last = created.at(-1);
    if (last === undefined) throw new AccessError('path-taken', `${path} exists already`);
    return last;
  }

  async #existing(id: string): Promise<NodeRecord> {
    const node = await this.#nodes.get({ id });
    if (node === null) throw new AccessError('node-unknown', 'there is no such group or project');
    return node;
  }
}
