import { AccessError } from '@sluice/domain/access';
import type { DataSource } from 'typeorm';
import { type KeyDomainAssignment, KeyDomains } from '../ports/key-domains.ts';
import type { StatementRunner } from '../statement-runner.ts';
import { queryRows } from './sql.ts';

/**
 * The domain of a node `n`: its own, or that of the nearest node above it that has one. An upload session and a blob
 * are only made while the domain of their repository cannot change: see {@link PostgresKeyDomains.assign}.
 */
export const DOMAIN_OF_NODE = `coalesce((SELECT up.key_domain FROM node up
  WHERE up.id = ANY (n.lineage) AND up.key_domain IS NOT NULL ORDER BY length(up.path) DESC LIMIT 1), '')`;

/** Key domains of nodes on PostgreSQL. */
export class PostgresKeyDomains extends KeyDomains {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  list(): Promise<KeyDomainAssignment[]> {
    return queryRows(
      this.#source,
      `SELECT id AS "nodeId", kind, path, key_domain AS domain FROM node WHERE key_domain IS NOT NULL ORDER BY path`,
    );
  }

  async assign(path: string, domain: string | null): Promise<void> {
    await this.#source.transaction(async (runner) => {
      // Whoever makes a repository below or an upload in one waits, and then sees the new domain.
      const nodes = await queryRows<{ id: string; path: string }>(
        runner,
        `SELECT n.id, n.path FROM node n
         WHERE (SELECT id FROM node WHERE path = $1) = ANY (n.lineage) ORDER BY n.id FOR UPDATE`,
        [path],
      );
      if (!nodes.some((node) => node.path === path)) {
        throw new AccessError('node-unknown', `there is no group or project at ${path}`);
      }
      const ids = nodes.map(({ id }) => id);
      await runner.query('SELECT id FROM repository WHERE project_id = ANY ($1) ORDER BY id FOR UPDATE', [
        ids,
      ]);
      await refuseContent(runner, path, ids);
      // Only the version before this one needs it; with two domains a digest may live twice.
      if (domain !== null) await runner.query('DROP INDEX IF EXISTS blob_live_digest');
      await runner.query('UPDATE node SET key_domain = $2 WHERE path = $1', [path, domain]);
      await runner.query(
        `UPDATE repository r SET key_domain = ${DOMAIN_OF_NODE} FROM node n
         WHERE n.id = r.project_id AND r.project_id = ANY ($1)`,
        [ids],
      );
    });
  }
}

async function refuseContent(runner: StatementRunner, path: string, ids: readonly string[]): Promise<void> {
  const [used] = await queryRows<{ name: string }>(
    runner,
    `SELECT r.name FROM repository r WHERE r.project_id = ANY ($1) AND (
       EXISTS (SELECT FROM repository_blob rb WHERE rb.repository_id = r.id)
       OR EXISTS (SELECT FROM upload_session s WHERE s.repository_id = r.id)) LIMIT 1`,
    [ids],
  );
  if (used === undefined) return;
  throw new AccessError(
    'node-not-empty',
    `${path} has content already (${used.name}): a key domain is chosen before the first push, because what is stored stays under the keys that it was stored with`,
  );
}
