import { canonicalJson, type Evaluation } from '@sluice/domain/policy';
import { VERDICT_CHANNEL } from '../ports/verdict-signals.ts';
import {
  type FullVerdict,
  type VerdictInputs,
  type VerdictScope,
  VerdictStore,
} from '../ports/verdict-store.ts';
import type { StatementRunner } from '../statement-runner.ts';
import type { Database } from './database.ts';
import { judgeParents } from './job-writer.ts';
import { writeEvent } from './outbox-writer.ts';
import { queryRows } from './sql.ts';
import { NEVER_JUDGED } from './rules-revision.ts';
import { inTransaction, runPlanned } from './transaction.ts';
import { selectVerdictInputs } from './verdict-inputs.ts';

export class PostgresVerdictStore extends VerdictStore {
  readonly #source: Database;

  constructor(source: Database) {
    super();
    this.#source = source;
  }

  evaluate(
    manifestId: string,
    judge: (inputs: VerdictInputs) => Evaluation,
  ): Promise<{ verdict: FullVerdict; changed: boolean } | null> {
    return inTransaction(this.#source, async (transaction) => {
      // First the lock, then, in a statement of its own and so with a later view, everything that decides.
      const [locked, found] = await Promise.all([
        queryRows<object>(transaction, 'SELECT id FROM verdict WHERE manifest_id = $1 FOR UPDATE', [
          manifestId,
        ]),
        selectVerdictInputs(transaction, manifestId),
      ]);
      if (locked.length === 0 || found === null) return null;
      const { stored, inputs, revision } = found;
      const evaluation = judge(inputs);
      const isConfirmed = found.storedRevision === revision;
      if (isSame(stored, evaluation)) {
        if (!isConfirmed)
          await Promise.all([confirm(transaction, manifestId, revision), wake(transaction, manifestId)]);
        return { verdict: stored, changed: false };
      }
      const changed = stored.state !== evaluation.state || stored.summary !== evaluation.summary;
      const [evaluatedAt] = await transaction.finish(
        Promise.all([
          save(transaction, manifestId, evaluation, revision),
          changed ? announce(transaction, inputs, evaluation) : null,
          changed || !isConfirmed ? wake(transaction, manifestId) : null,
        ]),
      );
      const { state, summary, results, inputsHash } = evaluation;
      return { verdict: { id: stored.id, state, summary, results, inputsHash, evaluatedAt }, changed };
    });
  }

  read(manifestId: string): Promise<{ stored: FullVerdict; inputs: VerdictInputs } | null> {
    return selectVerdictInputs(this.#source, manifestId);
  }

  async list(scope: VerdictScope, after: string | null, limit: number): Promise<string[]> {
    const rows = await queryRows<{ id: string }>(
      this.#source,
      `SELECT m.id FROM manifest m WHERE ($1::uuid IS NULL OR m.id > $1) AND ${SCOPES[scope.kind]}
       ORDER BY m.id LIMIT $2`,
      [after, limit, scope.kind === 'node' ? scope.nodeId : null],
    );
    return rows.map(({ id }) => id);
  }

  withDigest(
    digest: string,
    repositoryId: string | null,
    { waiting = false }: { waiting?: boolean } = {},
  ): Promise<string[]> {
    return waiting
      ? lockedIds(this.#source, WAITING_WITH_DIGEST, [digest, repositoryId])
      : ids(this.#source, WITH_DIGEST, [digest, repositoryId]);
  }

  parents(manifestIds: readonly string[]): Promise<string[]> {
    return ids(
      this.#source,
      'SELECT DISTINCT parent_id AS id FROM manifest_child WHERE child_id = ANY ($1)',
      [manifestIds],
    );
  }

  descendants(manifestIds: readonly string[]): Promise<string[]> {
    return ids(
      this.#source,
      `WITH RECURSIVE descendant (id) AS (
         SELECT child_id FROM manifest_child WHERE parent_id = ANY ($1) AND child_id IS NOT NULL
         UNION
         SELECT c.child_id FROM manifest_child c JOIN descendant d ON c.parent_id = d.id WHERE c.child_id IS NOT NULL
       )
       SELECT id FROM descendant`,
      [manifestIds],
    );
  }

  async noteAdvisoriesLoaded(): Promise<void> {
    await this.#source.query(
      `INSERT INTO installation_fact (name) VALUES ('advisories-loaded') ON CONFLICT DO NOTHING`,
    );
  }
}

const WITH_DIGEST = `SELECT id FROM manifest WHERE digest = $1 AND ($2::uuid IS NULL OR repository_id = $2)`;

/**
 * The lock waits for judgements under way, which saw the world from before, and gives what they stored. Without it a
 * verdict that is about to be stored as pending would be overlooked, and wait for ever.
 */
const WAITING_WITH_DIGEST = `
  WITH settled AS MATERIALIZED (
    SELECT v.manifest_id AS id, v.results, v.rules_revision FROM manifest m JOIN verdict v ON v.manifest_id = m.id
    WHERE m.digest = $1 AND ($2::uuid IS NULL OR m.repository_id = $2) FOR SHARE OF v
  )
  SELECT id FROM settled WHERE results @> '[{"outcome": "pending"}]' OR rules_revision = ${NEVER_JUDGED}`;

/** Conditions on `manifest m`; `$3` is the node. */
const SCOPES: Readonly<Record<VerdictScope['kind'], string>> = {
  installation: '$3::uuid IS NULL',
  node: `EXISTS (SELECT FROM repository r JOIN node n ON n.id = r.project_id
    WHERE r.id = m.repository_id AND n.lineage @> ARRAY[$3::uuid])`,
  'no-data': `$3::uuid IS NULL AND m.digest IN (SELECT digest FROM evidence
    WHERE kind = 'scan' AND payload ->> 'state' = 'no-data')`,
};

/** Every event of the outbox asks for some of these. */
async function ids(source: Database, sql: string, parameters: readonly unknown[]): Promise<string[]> {
  return (await runPlanned<{ id: string }>(source, sql, parameters)).map(({ id }) => id);
}

/** As {@link ids}, for a statement that may wait. */
async function lockedIds(source: Database, sql: string, parameters: unknown[]): Promise<string[]> {
  const rows = await inTransaction(source, (transaction) =>
    transaction.finish(queryRows<{ id: string }>(transaction, sql, parameters)),
  );
  return rows.map(({ id }) => id);
}

function isSame(stored: FullVerdict, evaluation: Evaluation): boolean {
  return (
    stored.inputsHash === evaluation.inputsHash &&
    stored.state === evaluation.state &&
    stored.summary === evaluation.summary &&
    canonicalJson(stored.results) === canonicalJson(evaluation.results)
  );
}

/** What is stored holds by the present rules as well. */
async function confirm(runner: StatementRunner, manifestId: string, revision: string): Promise<void> {
  await runner.query('UPDATE verdict SET rules_revision = $2 WHERE manifest_id = $1', [manifestId, revision]);
}

async function save(
  runner: StatementRunner,
  manifestId: string,
  evaluation: Evaluation,
  revision: string,
): Promise<Date> {
  const [row] = await queryRows<{ evaluated_at: Date }>(
    runner,
    `UPDATE verdict SET state = $2, summary = $3, results = $4, inputs_hash = $5, rules_revision = $6,
       evaluated_at = now()
     WHERE manifest_id = $1 RETURNING evaluated_at`,
    [
      manifestId,
      evaluation.state,
      evaluation.summary,
      JSON.stringify(evaluation.results),
      evaluation.inputsHash,
      revision,
    ],
  );
  return row?.evaluated_at ?? new Date();
}

/** Tells the world. */
async function announce(
  runner: StatementRunner,
  { manifestId, repositoryId, context }: VerdictInputs,
  { state }: Evaluation,
): Promise<void> {
  const { repository, digest } = context.artifact;
  await writeEvent(runner, 'verdict.changed', `${repository}@${digest}`, {
    manifestId,
    repositoryId,
    digest,
    state,
  });
}

/** Tells waiting pulls, and has the indexes judged again whose verdict this one is part of. */
async function wake(runner: StatementRunner, manifestId: string): Promise<void> {
  await Promise.all([
    judgeParents(runner, manifestId),
    runner.query('SELECT pg_notify($1, $2)', [VERDICT_CHANNEL, manifestId]),
  ]);
}
