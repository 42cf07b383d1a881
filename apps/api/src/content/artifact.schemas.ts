import type { ArtifactRecord, ChildRecord, EvidenceEntry, RepositoryRecord } from '@sluice/database';
import { type ExplainedVerdict, VERDICT_WAIT_MAX_SECONDS } from '@sluice/catalog';
import { type RuleResult, SEVERITIES, type StoredVerdict, VERDICT_STATES } from '@sluice/domain/policy';
import { z } from 'zod';
import { encodeId } from '../http/ids.ts';
import { pageParameters } from '../http/paging.ts';
import { commaList, queryBoolean, searchWord, waitSeconds } from '../http/validation.ts';
import { presentEvidencePayload } from './evidence.ts';

const KINDS = ['image', 'index', 'signature', 'attestation', 'artifact'] as const;

export const listRepositoriesQuery = z.strictObject({
  ...pageParameters,
  /** Id (prj_…) or path of a project. */
  project: searchWord().optional(),
});

export const listArtifactsQuery = z.strictObject({
  ...pageParameters,
  repository: searchWord().optional(),
  kind: commaList(KINDS).optional(),
  verdict: commaList(VERDICT_STATES).optional(),
});

export const resolveQuery = z.strictObject({
  ref: z.string({ error: 'expected [host/]repository[:tag|@digest]' }).min(1).max(1024),
});

export const listFindingsQuery = z.strictObject({
  ...pageParameters,
  severity: commaList(SEVERITIES).optional(),
  fixable: queryBoolean.optional(),
});
/** Findings are numbered in their order, worst first. */
export const findingCursor = z.string().regex(/^\d{1,9}$/);

export const verdictQuery = z.strictObject({ wait: waitSeconds(VERDICT_WAIT_MAX_SECONDS) });

export interface RepositoryView {
  readonly id: string;
  readonly name: string;
  readonly project: { readonly id: string; readonly path: string };
  readonly artifacts: number;
  readonly tags: number;
  readonly createdAt: string;
  readonly lastPushedAt: string | null;
}

export function presentRepository(repository: RepositoryRecord): RepositoryView {
  return {
    id: encodeId('repository', repository.id),
    name: repository.name,
    project: { id: encodeId('project', repository.projectId), path: repository.projectPath },
    artifacts: repository.artifacts,
    tags: repository.tags,
    createdAt: repository.createdAt.toISOString(),
    lastPushedAt: repository.lastPushedAt?.toISOString() ?? null,
  };
}

export interface VerdictSummaryView {
  readonly id: string;
  readonly state: string;
  readonly summary: string | null;
}

export interface ArtifactView {
  readonly id: string;
  readonly repository: string;
  readonly digest: string;
  readonly mediaType: string;
  readonly artifactType: string | null;
  readonly kind: string;
  /** Bytes of the manifest and of every blob that it names. */
  readonly size: number;
  readonly tags: readonly string[];
  /** Digest of the manifest that this one refers to. */
  readonly subject: string | null;
  readonly createdAt: string;
  readonly pushedBy: {
    readonly id: string | null;
    readonly name: string | null;
    readonly kind: string | null;
  } | null;
  readonly provenance: ArtifactRecord['provenance'];
  readonly verdict: VerdictSummaryView | null;
}

export function presentArtifact(artifact: ArtifactRecord): ArtifactView {
  return {
    id: encodeId('artifact', artifact.id),
    repository: artifact.repository,
    digest: artifact.digest,
    mediaType: artifact.mediaType,
    artifactType: artifact.artifactType,
    kind: artifact.kind,
    size: artifact.sizeBytes,
    tags: artifact.tags,
    subject: artifact.subjectDigest,
    createdAt: artifact.createdAt.toISOString(),
    pushedBy: artifact.pushedBy === null ? null : presentPusher(artifact.pushedBy),
    provenance: artifact.provenance,
    verdict: presentStoredVerdict(artifact.verdict),
  };
}

function presentPusher({
  id,
  name,
  kind,
}: NonNullable<ArtifactRecord['pushedBy']>): ArtifactView['pushedBy'] {
  // The prefix of an id tells its kind, which nobody knows of a principal that is gone.
  const known = kind === 'user' || kind === 'robot' || kind === 'workload' ? kind : null;
  return { id: known === null ? null : encodeId(known, id), name, kind };
}

function presentStoredVerdict(verdict: StoredVerdict | null): VerdictSummaryView | null {
  if (verdict === null) return null;
  return { id: encodeId('verdict', verdict.id), state: verdict.state, summary: verdict.summary };
}

export interface VerdictView extends VerdictSummaryView {
  /** Where this verdict can be read; what a refused pull names. */
  readonly url: string;
  readonly artifact: Pick<ArtifactView, 'id' | 'repository' | 'digest' | 'kind' | 'tags'>;
  readonly evaluatedAt: string;
  /** One for each rule of each policy, worst first. */
  readonly results: readonly RuleResult[];
  /** Of an index: what it names, with the verdict of each. */
  readonly children?: readonly ChildView[];
}

export interface ChildView {
  readonly id: string | null;
  readonly digest: string;
  readonly platform: string | null;
  readonly kind: string | null;
  /** Null while the repository does not have it. */
  readonly verdict: VerdictSummaryView | null;
}

/** @param publicUrl where clients reach this installation, without a slash at the end */
export function presentVerdict(verdict: ExplainedVerdict, publicUrl: string): VerdictView {
  const id = encodeId('verdict', verdict.id);
  const artifact = presentArtifact(verdict.artifact);
  return {
    id,
    url: `${publicUrl}/api/v1/verdicts/${id}`,
    state: verdict.state,
    summary: verdict.summary,
    artifact: {
      id: artifact.id,
      repository: artifact.repository,
      digest: artifact.digest,
      kind: artifact.kind,
      tags: artifact.tags,
    },
    evaluatedAt: verdict.evaluatedAt.toISOString(),
    results: verdict.results.map((result) => ({
      ...result,
      evidence: result.evidence.map((each) => encodeId('evidence', each)),
    })),
    ...(verdict.children === null ? {} : { children: verdict.children.map(presentChild) }),
  };
}

function presentChild({ digest, platform, artifact }: ChildRecord): ChildView {
  return {
    id: artifact === null ? null : encodeId('artifact', artifact.id),
    digest,
    platform,
    kind: artifact?.kind ?? null,
    verdict: presentStoredVerdict(artifact?.verdict ?? null),
  };
}

export interface EvidenceView {
  readonly id: string;
  readonly digest: string;
  readonly kind: string;
  readonly producer: string;
  readonly createdAt: string;
  /** What the evidence says; null for kinds that have their own resource, such as the SBOM. */
  readonly content: unknown;
}

export function presentEvidence(entry: EvidenceEntry): EvidenceView {
  return {
    id: encodeId('evidence', entry.id),
    digest: entry.digest,
    kind: entry.kind,
    producer: entry.producer,
    createdAt: entry.createdAt.toISOString(),
    content: presentEvidencePayload(entry),
  };
}
