import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Nodes, principals, grants, the registry's content, uploads, jobs, outbox, audit, policies and verdicts.
 *
 * Text that a protocol orders or compares is COLLATE "C". Edges from manifests to blobs and children restrict
 * deletion, so that no clean-up can remove what something still names.
 */
export class Core1 implements MigrationInterface {
  readonly name = 'Core1700000000001';

  async up(runner: QueryRunner): Promise<void> {
    for (const statement of [...ACCESS, ...CONTENT, ...WORK, ...JUDGEMENT]) await runner.query(statement);
  }

  async down(): Promise<void> {
    throw new Error('the core schema cannot be migrated down: restore a backup instead');
  }
}

const ACCESS = [
  `CREATE TABLE node (
     id uuid PRIMARY KEY,
     kind text NOT NULL CHECK (kind IN ('group', 'project')),
     parent_id uuid REFERENCES node (id) ON DELETE RESTRICT,
     path text COLLATE "C" NOT NULL UNIQUE,
     -- from the root down to the node itself, so that grants and policies of a whole line are one indexed look-up
     lineage uuid[] NOT NULL,
     visibility text NOT NULL DEFAULT 'private' CHECK (visibility IN ('private', 'internal', 'public')),
     created_at timestamptz NOT NULL DEFAULT now()
   )`,
  `CREATE INDEX node_parent ON node (parent_id)`,
  `CREATE TABLE principal (
     id uuid PRIMARY KEY,
     kind text NOT NULL CHECK (kind IN ('user', 'robot', 'workload')),
     -- user name, robot$<node path>+<name>, or gitlab:<issuer>#<GitLab project id>
     name text COLLATE "C" NOT NULL UNIQUE,
     display_name text NOT NULL DEFAULT '',
     email text,
     password_hash text,
     is_admin boolean NOT NULL DEFAULT false,
     node_id uuid REFERENCES node (id) ON DELETE CASCADE,
     -- raised by every change that takes rights away; tokens carry the epoch they were issued in
     epoch integer NOT NULL DEFAULT 1,
     disabled_at timestamptz,
     expires_at timestamptz,
     created_at timestamptz NOT NULL DEFAULT now()
   )`,
  `CREATE TABLE access_grant (
     id uuid PRIMARY KEY,
     node_id uuid NOT NULL REFERENCES node (id) ON DELETE CASCADE,
     principal_id uuid NOT NULL REFERENCES principal (id) ON DELETE CASCADE,
     role text NOT NULL CHECK (role IN ('guest', 'reporter', 'developer', 'maintainer', 'owner')),
     source text NOT NULL DEFAULT 'local',
     expires_at timestamptz,
     created_at timestamptz NOT NULL DEFAULT now(),
     UNIQUE (principal_id, node_id, source)
   )`,
  `CREATE INDEX access_grant_node ON access_grant (node_id)`,
  `CREATE TABLE secret (
     id uuid PRIMARY KEY,
     principal_id uuid NOT NULL REFERENCES principal (id) ON DELETE CASCADE,
     kind text NOT NULL CHECK (kind IN ('pat', 'robot', 'refresh')),
     name text NOT NULL,
     hash bytea NOT NULL UNIQUE,
     scopes jsonb NOT NULL DEFAULT '[]',
     expires_at timestamptz,
     revoked_at timestamptz,
     last_used_at timestamptz,
     created_at timestamptz NOT NULL DEFAULT now()
   )`,
  `CREATE INDEX secret_principal ON secret (principal_id)`,
  `CREATE TABLE ci_binding (
     id uuid PRIMARY KEY,
     -- one workload a GitLab project, however many nodes it is bound to
     principal_id uuid NOT NULL REFERENCES principal (id) ON DELETE CASCADE,
     issuer text NOT NULL,
     gitlab_project_id bigint NOT NULL,
     gitlab_project_path text NOT NULL,
     node_id uuid NOT NULL REFERENCES node (id) ON DELETE CASCADE,
     role text NOT NULL CHECK (role IN ('guest', 'reporter', 'developer', 'maintainer', 'owner')),
     conditions jsonb NOT NULL DEFAULT '{}',
     created_at timestamptz NOT NULL DEFAULT now(),
     UNIQUE (issuer, gitlab_project_id, node_id)
   )`,
  `CREATE INDEX ci_binding_node ON ci_binding (node_id)`,
  `CREATE INDEX ci_binding_principal ON ci_binding (principal_id)`,
  `CREATE TABLE seen_token (
     issuer text NOT NULL,
     jti text NOT NULL,
     token_hash bytea NOT NULL,
     -- true once it was traded for a registry token, which is allowed one time only
     exchanged boolean NOT NULL DEFAULT false,
     expires_at timestamptz NOT NULL,
     PRIMARY KEY (issuer, jti)
   )`,
  `CREATE INDEX seen_token_expiry ON seen_token (expires_at)`,
];

const CONTENT = [
  `CREATE TABLE repository (
     id uuid PRIMARY KEY,
     project_id uuid NOT NULL REFERENCES node (id) ON DELETE RESTRICT,
     name text COLLATE "C" NOT NULL UNIQUE,
     created_at timestamptz NOT NULL DEFAULT now()
   )`,
  `CREATE INDEX repository_project ON repository (project_id)`,
  `CREATE TABLE blob (
     id uuid PRIMARY KEY,
     digest text COLLATE "C" NOT NULL,
     size bigint NOT NULL,
     -- opaque and unique per upload, never the digest: a late delete can never hit a re-push
     object_key text COLLATE "C" NOT NULL UNIQUE,
     state text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'condemned')),
     condemned_at timestamptz,
     created_at timestamptz NOT NULL DEFAULT now()
   )`,
  `CREATE UNIQUE INDEX blob_live_digest ON blob (digest) WHERE state = 'live'`,
  `CREATE TABLE lease (
     blob_id uuid PRIMARY KEY REFERENCES blob (id) ON DELETE CASCADE,
     expires_at timestamptz NOT NULL
   )`,
  `CREATE TABLE repository_blob (
     repository_id uuid NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
     blob_id uuid NOT NULL REFERENCES blob (id) ON DELETE RESTRICT,
     created_at timestamptz NOT NULL DEFAULT now(),
     PRIMARY KEY (repository_id, blob_id)
   )`,
  `CREATE INDEX repository_blob_blob ON repository_blob (blob_id)`,
  `CREATE TABLE upload_session (
     id uuid PRIMARY KEY,
     repository_id uuid NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
     principal_id uuid,
     state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'writing', 'committing')),
     offset_bytes bigint NOT NULL DEFAULT 0,
     storage_key text COLLATE "C" NOT NULL,
     algorithm text NOT NULL DEFAULT 'sha256',
     -- digest of the bytes [0, offset) under algorithm; null when nothing was written
     prefix_digest text COLLATE "C",
     parts jsonb NOT NULL DEFAULT '[]',
     writer uuid,
     writer_until timestamptz,
     created_at timestamptz NOT NULL DEFAULT now(),
     expires_at timestamptz NOT NULL
   )`,
  `CREATE INDEX upload_session_expiry ON upload_session (expires_at)`,
  `CREATE TABLE manifest (
     id uuid PRIMARY KEY,
     repository_id uuid NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
     digest text COLLATE "C" NOT NULL,
     media_type text COLLATE "C" NOT NULL,
     artifact_type text COLLATE "C",
     subject_digest text COLLATE "C",
     config_digest text COLLATE "C",
     -- what the content is for the gate: image | index | signature | attestation | artifact (domain/oci classify)
     kind text NOT NULL,
     size integer NOT NULL,
     content bytea NOT NULL,
     annotations jsonb NOT NULL DEFAULT '{}',
     pushed_by uuid,
     -- what the CI token said of the push: project, ref, pipeline, job, sha, user; null when pushed otherwise
     provenance jsonb,
     created_at timestamptz NOT NULL DEFAULT now(),
     UNIQUE (repository_id, digest)
   )`,
  `CREATE INDEX manifest_subject ON manifest (repository_id, subject_digest, digest) WHERE subject_digest IS NOT NULL`,
  `CREATE INDEX manifest_digest ON manifest (digest)`,
  `CREATE TABLE manifest_blob (
     manifest_id uuid NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,
     position integer NOT NULL,
     role text NOT NULL CHECK (role IN ('config', 'layer')),
     blob_id uuid NOT NULL REFERENCES blob (id) ON DELETE RESTRICT,
     PRIMARY KEY (manifest_id, position)
   )`,
  `CREATE INDEX manifest_blob_blob ON manifest_blob (blob_id)`,
  `CREATE TABLE manifest_child (
     parent_id uuid NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,
     position integer NOT NULL,
     child_digest text COLLATE "C" NOT NULL,
     -- null while the child is not in the repository (sparse index)
     child_id uuid REFERENCES manifest (id) ON DELETE RESTRICT,
     platform jsonb,
     PRIMARY KEY (parent_id, position)
   )`,
  `CREATE INDEX manifest_child_child ON manifest_child (child_id)`,
  `CREATE INDEX manifest_child_digest ON manifest_child (child_digest) WHERE child_id IS NULL`,
  `CREATE TABLE tag (
     repository_id uuid NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
     name text COLLATE "C" NOT NULL,
     manifest_id uuid NOT NULL REFERENCES manifest (id) ON DELETE CASCADE,
     updated_at timestamptz NOT NULL DEFAULT now(),
     PRIMARY KEY (repository_id, name)
   )`,
  `CREATE INDEX tag_manifest ON tag (manifest_id)`,
];

const WORK = [
  `CREATE TABLE outbox (
     seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
     id uuid NOT NULL UNIQUE,
     type text NOT NULL,
     subject text NOT NULL,
     payload jsonb NOT NULL DEFAULT '{}',
     created_at timestamptz NOT NULL DEFAULT now(),
     relayed_at timestamptz
   )`,
  `CREATE INDEX outbox_pending ON outbox (seq) WHERE relayed_at IS NULL`,
  `CREATE TABLE job (
     id uuid PRIMARY KEY,
     kind text NOT NULL,
     key text NOT NULL,
     payload jsonb NOT NULL DEFAULT '{}',
     state text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
     attempts integer NOT NULL DEFAULT 0,
     max_attempts integer NOT NULL DEFAULT 5,
     run_at timestamptz NOT NULL DEFAULT now(),
     lease_until timestamptz,
     worker uuid,
     cancel_requested boolean NOT NULL DEFAULT false,
     progress jsonb,
     error text,
     created_at timestamptz NOT NULL DEFAULT now(),
     finished_at timestamptz
   )`,
  // One queued job a key is enough; a running one may be joined by a queued one, because its input may have changed since.
  `CREATE UNIQUE INDEX job_queued_key ON job (kind, key) WHERE state = 'queued'`,
  `CREATE INDEX job_due ON job (run_at) WHERE state = 'queued'`,
  `CREATE INDEX job_running ON job (lease_until) WHERE state = 'running'`,
  `CREATE TABLE audit_event (
     seq bigint PRIMARY KEY,
     id uuid NOT NULL UNIQUE,
     at timestamptz NOT NULL,
     actor text NOT NULL,
     token_id text,
     client_address text,
     action text NOT NULL,
     resource text NOT NULL,
     decision text NOT NULL,
     policy_version text,
     detail jsonb NOT NULL DEFAULT '{}',
     request_id text,
     previous_hash bytea NOT NULL,
     hash bytea NOT NULL
   )`,
];

const JUDGEMENT = [
  `CREATE TABLE evidence (
     id uuid PRIMARY KEY,
     -- null: a fact about the content wherever it lies (scan); set: a fact in that repository (signature)
     repository_id uuid REFERENCES repository (id) ON DELETE CASCADE,
     digest text COLLATE "C" NOT NULL,
     kind text NOT NULL,
     -- tells facts of one kind about one digest apart, e.g. the digest of the signature's own manifest
     key text COLLATE "C" NOT NULL DEFAULT '',
     producer text NOT NULL,
     payload jsonb NOT NULL,
     created_at timestamptz NOT NULL DEFAULT now(),
     UNIQUE NULLS NOT DISTINCT (digest, kind, repository_id, key)
   )`,
  `CREATE INDEX evidence_repository ON evidence (repository_id)`,
  `CREATE TABLE policy (
     id uuid PRIMARY KEY,
     -- null: the installation's own default, which holds for every node
     node_id uuid REFERENCES node (id) ON DELETE CASCADE,
     name text COLLATE "C" NOT NULL,
     version integer NOT NULL,
     document jsonb NOT NULL,
     created_by uuid,
     created_at timestamptz NOT NULL DEFAULT now(),
     updated_at timestamptz NOT NULL DEFAULT now(),
     UNIQUE NULLS NOT DISTINCT (node_id, name)
   )`,
  `CREATE TABLE policy_version (
     policy_id uuid NOT NULL REFERENCES policy (id) ON DELETE CASCADE,
     version integer NOT NULL,
     document jsonb NOT NULL,
     created_by uuid,
     created_at timestamptz NOT NULL DEFAULT now(),
     PRIMARY KEY (policy_id, version)
   )`,
  `CREATE TABLE verdict (
     manifest_id uuid PRIMARY KEY REFERENCES manifest (id) ON DELETE CASCADE,
     id uuid NOT NULL UNIQUE,
     state text NOT NULL CHECK (state IN ('green', 'amber', 'red', 'pending')),
     -- one line for clients: the first rule that failed and why; null when green
     summary text,
     results jsonb NOT NULL DEFAULT '[]',
     inputs_hash text,
     evaluated_at timestamptz NOT NULL DEFAULT now()
   )`,
  `CREATE TABLE denial (
     id uuid PRIMARY KEY,
     at timestamptz NOT NULL DEFAULT now(),
     principal_id uuid,
     principal_name text NOT NULL,
     repository text NOT NULL,
     reference text NOT NULL,
     digest text,
     rule text NOT NULL,
     reason text NOT NULL,
     verdict_id uuid,
     client_address text,
     user_agent text,
     request_id text
   )`,
  `CREATE INDEX denial_at ON denial (at DESC)`,
];
