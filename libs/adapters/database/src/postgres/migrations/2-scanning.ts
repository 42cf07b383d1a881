import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Cataloged layers, inventories of images, and the advisories that they are matched against.
 *
 * ```
 * layer_blob (blob digest) ──> layer_record (DiffID)          advisory_import (revision)
 *                                                             advisory ──< advisory_affected (ecosystem, name)
 * inventory (manifest digest) ──< inventory_package (ecosystem, name) <── advisory_touched (revision)
 * ```
 */
export class Scanning2 implements MigrationInterface {
  readonly name = 'Scanning1700000000002';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [...INVENTORIES, ...ADVISORIES]) await runner.query(statement);
  }

  async down(): Promise<void> {
    throw new Error('the scanning schema cannot be migrated down: restore a backup instead');
  }
}

const INVENTORIES = [
  `CREATE TABLE layer_record (
     diff_id text COLLATE "C" NOT NULL,
     cataloger_version integer NOT NULL,
     record jsonb NOT NULL,
     created_at timestamptz NOT NULL DEFAULT now(),
     PRIMARY KEY (diff_id, cataloger_version)
   )`,
  // Only reading a blob tells its DiffID; what an image's config says of it is a claim.
  `CREATE TABLE layer_blob (
     blob_digest text COLLATE "C" NOT NULL,
     cataloger_version integer NOT NULL,
     diff_id text COLLATE "C" NOT NULL,
     created_at timestamptz NOT NULL DEFAULT now(),
     PRIMARY KEY (blob_digest, cataloger_version),
     FOREIGN KEY (diff_id, cataloger_version) REFERENCES layer_record ON DELETE CASCADE
   )`,
  `CREATE TABLE inventory (
     digest text COLLATE "C" PRIMARY KEY,
     cataloger_version integer NOT NULL,
     content jsonb NOT NULL,
     -- ecosystems of the image for which there was no advisory data when it was matched last
     uncovered text[] NOT NULL DEFAULT '{}',
     updated_at timestamptz NOT NULL DEFAULT now()
   )`,
  `CREATE INDEX inventory_uncovered ON inventory USING gin (uncovered) WHERE uncovered <> '{}'`,
  // Which images have a package, so that new advisories find the images that they touch.
  `CREATE TABLE inventory_package (
     ecosystem text COLLATE "C" NOT NULL,
     name text COLLATE "C" NOT NULL,
     digest text COLLATE "C" NOT NULL REFERENCES inventory (digest) ON DELETE CASCADE,
     PRIMARY KEY (ecosystem, name, digest)
   )`,
  `CREATE INDEX inventory_package_digest ON inventory_package (digest)`,
];

const ADVISORIES = [
  // One id may come from the files of several ecosystems, each with its own rows: the key is that of the OSV bucket.
  `CREATE TABLE advisory (
     -- <ecosystem>/<id>
     key text COLLATE "C" PRIMARY KEY,
     id text COLLATE "C" NOT NULL,
     -- the import that brought its present content
     revision bigint NOT NULL,
     modified timestamptz NOT NULL,
     published timestamptz,
     withdrawn timestamptz,
     aliases jsonb NOT NULL,
     upstream jsonb NOT NULL,
     summary text NOT NULL,
     content_hash bytea NOT NULL
   )`,
  `CREATE INDEX advisory_id ON advisory (id)`,
  `CREATE TABLE advisory_affected (
     advisory_key text COLLATE "C" NOT NULL REFERENCES advisory (key) ON DELETE CASCADE,
     position integer NOT NULL,
     ecosystem text COLLATE "C" NOT NULL,
     name text COLLATE "C" NOT NULL,
     ranges jsonb NOT NULL,
     versions jsonb NOT NULL,
     severity text NOT NULL,
     score double precision,
     PRIMARY KEY (advisory_key, position)
   )`,
  `CREATE INDEX advisory_affected_package ON advisory_affected (ecosystem, name)`,
  `CREATE TABLE advisory_import (
     revision bigint PRIMARY KEY,
     file text NOT NULL,
     sha256 text NOT NULL,
     records integer NOT NULL,
     added integer NOT NULL,
     changed integer NOT NULL,
     withdrawn integer NOT NULL,
     unchanged integer NOT NULL,
     faulty integer NOT NULL,
     -- the first faults, for people
     faults jsonb NOT NULL,
     -- records by ecosystem, without the release
     ecosystems jsonb NOT NULL,
     newest_modified timestamptz,
     imported_at timestamptz NOT NULL DEFAULT now()
   )`,
  // Packages that an import said something new about, until every image that has them was matched again.
  `CREATE TABLE advisory_touched (
     revision bigint NOT NULL,
     ecosystem text COLLATE "C" NOT NULL,
     name text COLLATE "C" NOT NULL,
     PRIMARY KEY (ecosystem, name, revision)
   )`,
  // One row. Scans hold it shared while they match and write, an import takes it for the moment of its commit: so
  // no evidence can be written from advisories of before a revision that was committed meanwhile.
  `CREATE TABLE advisory_state (
     is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
     revision bigint NOT NULL DEFAULT 0,
     rematched_revision bigint NOT NULL DEFAULT 0
   )`,
  `INSERT INTO advisory_state DEFAULT VALUES`,
];
