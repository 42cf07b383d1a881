import type { StatementRunner } from '../statement-runner.ts';
import { RULES_LOCK } from './advisory-locks.ts';

/** The revision of a verdict that nobody has judged: older than any, so whoever reads it has it judged first. */
export const NEVER_JUDGED = -1;

/**
 * Makes every verdict below a node stale, because the policies or trusted keys that hold there change in this
 * transaction. Must come first in it: whoever deletes a project locks its repositories before the node as well.
 *
 * @param nodeId null for the whole installation
 */
export async function raiseRulesRevision(runner: StatementRunner, nodeId: string | null): Promise<void> {
  await runner.query('SELECT pg_advisory_xact_lock($1)', [RULES_LOCK]);
  await runner.query(
    `UPDATE repository SET rules_revision = rules_revision + 1 WHERE id IN (
       SELECT r.id FROM repository r JOIN node n ON n.id = r.project_id
       WHERE $1::uuid IS NULL OR n.lineage @> ARRAY[$1::uuid] ORDER BY r.id FOR NO KEY UPDATE OF r)`,
    [nodeId],
  );
}
