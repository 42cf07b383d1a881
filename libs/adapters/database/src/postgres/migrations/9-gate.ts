import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What verdicts are collected by. */
export class Gate9 implements MigrationInterface {
  readonly name = 'Gate1700000000009';

  async up(runner: QueryRunner): Promise<void> {
    // Things that happened once and hold for ever, such as "advisory data was loaded": removing the data again does
    // not bring back the leniency of a new installation.
    await runner.query(
      `CREATE TABLE installation_fact (
         name text COLLATE "C" PRIMARY KEY,
         since timestamptz NOT NULL DEFAULT now()
       )`,
    );
    await runner.query(
      `CREATE INDEX evidence_no_data ON evidence (digest) WHERE kind = 'scan' AND payload ->> 'state' = 'no-data'`,
    );
  }

  async down(): Promise<void> {
    throw new Error('the gate schema cannot be migrated down: restore a backup instead');
  }
}
