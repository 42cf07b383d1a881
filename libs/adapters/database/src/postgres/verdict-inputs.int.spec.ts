import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, seedArtifact, type TestDatabase } from '../testing/index.ts';
import { newId } from '../ids.ts';
import { queryRows } from './sql.ts';
import { inTransaction } from './transaction.ts';
import { selectVerdictInputs } from './verdict-inputs.ts';

interface Plan {
  readonly 'Node Type': string;
  readonly 'Relation Name'?: string;
  readonly Plans?: readonly Plan[];
}

describe('what a verdict depends on', () => {
  let database: TestDatabase;
  let projectId: string;
  beforeAll(async () => {
    database = await createTestDatabase();
    projectId = newId();
    await database.source.query(
      `INSERT INTO node (id, kind, path, lineage) VALUES ($1, 'project', 'team/app', ARRAY[$1::uuid])`,
      [projectId],
    );
  });
  afterAll(async () => database.close());

  const artifact = (children: { digest: string; manifestId: string }[] = []) =>
    seedArtifact(database.source, {
      projectId,
      repository: 'team/app/web',
      kind: children.length > 0 ? 'index' : 'image',
      children,
    });

  it('covers the indexes above it at any depth, each once', async () => {
    const image = await artifact();
    const named = { digest: image.digest, manifestId: image.id };
    const inner = await artifact([named]);
    const other = await artifact([named]);
    const outer = await artifact([inner, other].map(({ id, digest }) => ({ digest, manifestId: id })));
    const found = await selectVerdictInputs(database.source, image.id);
    expect(new Set(found?.inputs.context.parents)).toEqual(
      new Set([inner, other, outer].map(({ digest }) => digest)),
    );
    expect(found?.inputs.context.parents).toHaveLength(3);
    expect((await selectVerdictInputs(database.source, outer.id))?.inputs.context.parents).toEqual([]);
  });

  it('is found by indexes, however many artifacts there are', async () => {
    const { id } = await artifact();
    await database.source.query('ANALYZE');
    const plans = await inTransaction(database.source, async (transaction) => {
      let rows: { 'QUERY PLAN': { Plan: Plan }[] }[] = [];
      const explaining = {
        query: async (text: string, values: unknown[]): Promise<unknown> => {
          rows = await queryRows(transaction, `EXPLAIN (FORMAT JSON) ${text}`, values);
          return [];
        },
      };
      await selectVerdictInputs(explaining, id);
      return rows[0]?.['QUERY PLAN'] ?? [];
    });
    const whole = plans.flatMap(({ Plan: plan }) => wholeReads(plan));
    expect(plans).toHaveLength(1);
    expect(whole).toEqual([]);
  });
});

/** Tables that the plan reads from beginning to end. */
function wholeReads(plan: Plan): string[] {
  const own = plan['Node Type'] === 'Seq Scan' ? [plan['Relation Name'] ?? '?'] : [];
  return [...own, ...(plan.Plans ?? []).flatMap(wholeReads)];
}
