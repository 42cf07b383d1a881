import type { ArtifactKind } from '@sluice/domain/oci';
import type { ChildFacts, Evidence, EvidenceRecord, TrustedKey, VerdictState } from '@sluice/domain/policy';
import type { FullVerdict, VerdictInputs } from '../ports/verdict-store.ts';
import type { StatementRunner } from '../statement-runner.ts';
import { queryRows } from './sql.ts';

export interface FoundInputs {
  readonly stored: FullVerdict;
  readonly inputs: VerdictInputs;
  /** The revision of the rules in `inputs`, and that of those by which `stored` was judged. */
  readonly revision: string;
  readonly storedRevision: string;
}

/** The stored verdict and everything it depends on, in one statement and so at one moment. */
export async function selectVerdictInputs(
  runner: StatementRunner,
  manifestId: string,
): Promise<FoundInputs | null> {
  const [row] = await queryRows<InputsRow>(runner, SELECT_INPUTS, [manifestId]);
  if (row === undefined) return null;
  const { stored } = row;
  return {
    stored: { ...stored, evaluatedAt: new Date(stored.evaluatedAt) },
    revision: row.revision,
    storedRevision: row.stored_revision,
    inputs: {
      manifestId,
      repositoryId: row.repository_id,
      policies: row.policies,
      evidence: row.evidence,
      context: {
        artifact: { repository: row.repository, digest: row.digest, kind: row.kind },
        expected: row.expected,
        advisoriesLoaded: row.advisories_loaded,
        parents: row.parents,
        children: row.children.map(toChild),
        trustedKeys: row.trusted_keys,
      },
    },
  };
}

interface InputsRow {
  digest: string;
  kind: ArtifactKind;
  repository_id: string;
  repository: string;
  stored: Omit<FullVerdict, 'evaluatedAt'> & { evaluatedAt: string };
  policies: VerdictInputs['policies'];
  evidence: EvidenceRecord<Evidence>[];
  revision: string;
  stored_revision: string;
  expected: { scan: boolean; rematch: boolean; signature: boolean };
  advisories_loaded: boolean;
  parents: string[];
  children: ChildJson[];
  trusted_keys: TrustedKey[];
}

interface ChildJson {
  digest: string;
  platform: { os?: unknown; architecture?: unknown; variant?: unknown } | null;
  kind: ArtifactKind | null;
  state: VerdictState | null;
  summary: string | null;
}

function toChild({ digest, platform, kind, state, summary }: ChildJson): ChildFacts {
  const parts = platform === null ? [] : [platform.os, platform.architecture, platform.variant];
  const named = parts.filter((part): part is string => typeof part === 'string' && part !== '');
  return {
    digest,
    platform: named.length === 0 ? null : named.join('/'),
    // Whatever has no verdict is not judged yet.
    stored: kind === null ? null : { kind, state: state ?? 'pending', summary },
  };
}

/**
 * Work that may bring evidence: the jobs that other features queue for a push, and pushes of which the jobs are not
 * yet queued.
 */
const EXPECTED = `
  json_build_object(
    'scan', EXISTS (SELECT FROM job WHERE kind = 'scan.artifact' AND key = m.digest AND state = 'queued')
      OR EXISTS (SELECT FROM job WHERE kind = 'scan.artifact' AND key = m.digest AND state = 'running')
      OR EXISTS (SELECT FROM outbox o WHERE o.relayed_at IS NULL AND o.type = 'artifact.pushed'
        AND o.payload ->> 'digest' = m.digest),
    'rematch', EXISTS (SELECT FROM job WHERE kind = 'advisories.rematch' AND state = 'queued')
      OR EXISTS (SELECT FROM job WHERE kind = 'advisories.rematch' AND state = 'running')
      OR EXISTS (SELECT FROM outbox o WHERE o.relayed_at IS NULL AND o.type = 'advisories.changed'),
    'signature', EXISTS (SELECT FROM job, covering WHERE job.kind = 'signature.verify' AND job.state = 'queued'
        AND job.key = m.repository_id::text || '/' || covering.digest)
      OR EXISTS (SELECT FROM job, covering WHERE job.kind = 'signature.verify' AND job.state = 'running'
        AND job.key = m.repository_id::text || '/' || covering.digest)
      OR EXISTS (SELECT FROM outbox o, covering WHERE o.relayed_at IS NULL AND o.type = 'artifact.pushed'
        AND o.payload ->> 'repositoryId' = m.repository_id::text
        AND covering.digest IN (o.payload ->> 'digest', o.payload ->> 'subjectDigest'))
  )`;

const SELECT_INPUTS = `
  WITH RECURSIVE ancestor (id) AS (
    SELECT parent_id FROM manifest_child WHERE child_id = $1
    UNION
    SELECT c.parent_id FROM manifest_child c JOIN ancestor a ON c.child_id = a.id
  ),
  covering (digest) AS (
    SELECT digest FROM manifest WHERE id = $1
    UNION ALL
    SELECT above.digest FROM ancestor JOIN manifest above ON above.id = ancestor.id WHERE above.id <> $1
  )
  SELECT m.digest, m.kind, m.repository_id, r.name AS repository,
    r.rules_revision AS revision, v.rules_revision AS stored_revision,
    json_build_object('id', v.id, 'state', v.state, 'summary', v.summary, 'results', v.results,
      'inputsHash', v.inputs_hash, 'evaluatedAt', v.evaluated_at) AS stored,
    (SELECT coalesce(json_agg(json_build_object('name', p.name, 'version', p.version,
        'scope', coalesce(pn.path, 'installation'), 'document', p.document)), '[]')
      FROM policy p LEFT JOIN node pn ON pn.id = p.node_id
      WHERE p.node_id IS NULL OR p.node_id = ANY (n.lineage)) AS policies,
    (SELECT coalesce(json_agg(json_build_object('id', e.id, 'digest', e.digest, 'evidence', e.payload)), '[]')
      FROM (
        SELECT id, digest, payload FROM evidence
        WHERE digest = m.digest AND kind = 'scan' AND repository_id IS NULL
        UNION ALL
        SELECT id, digest, payload FROM evidence
        WHERE repository_id = m.repository_id AND kind = 'signature' AND digest IN (SELECT digest FROM covering)
      ) e) AS evidence,
    ${EXPECTED} AS expected,
    EXISTS (SELECT FROM installation_fact WHERE name = 'advisories-loaded') AS advisories_loaded,
    (SELECT coalesce(json_agg(digest), '[]') FROM covering WHERE digest <> m.digest) AS parents,
    (SELECT coalesce(json_agg(json_build_object('digest', c.child_digest, 'platform', c.platform, 'kind', cm.kind,
        'state', CASE WHEN cv.rules_revision = r.rules_revision THEN cv.state ELSE 'pending' END,
        'summary', cv.summary) ORDER BY c.position), '[]')
      FROM manifest_child c
      LEFT JOIN manifest cm ON cm.id = c.child_id
      LEFT JOIN verdict cv ON cv.manifest_id = c.child_id
      WHERE c.parent_id = m.id) AS children,
    (SELECT coalesce(json_agg(json_build_object('id', k.id, 'name', k.name,
        'depth', array_position(n.lineage, k.node_id), 'fingerprint', k.key_id)), '[]')
      FROM trusted_key k WHERE k.node_id = ANY (n.lineage)) AS trusted_keys
  FROM manifest m
  JOIN repository r ON r.id = m.repository_id
  JOIN node n ON n.id = r.project_id
  JOIN verdict v ON v.manifest_id = m.id
  WHERE m.id = $1`;
