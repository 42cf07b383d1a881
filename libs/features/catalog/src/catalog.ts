import type {
  ArtifactQuery,
  ArtifactRecord,
  CatalogPlace,
  CatalogStore,
  ChildRecord,
  EvidenceEntry,
  RepositoryQuery,
  RepositoryRecord,
  VerdictRecord,
  VerdictSignals,
} from '@sluice/database';
import type { ScanEvidence, ScanState } from '@sluice/domain/policy';
import { CatalogError } from './errors.ts';
import { type FindingFilter, type ImageFinding, selectFindings } from './findings.ts';
import { parseLocalReference } from './reference.ts';

/** A verdict with what it is about. `children` only for an index. */
export interface ExplainedVerdict extends VerdictRecord {
  readonly artifact: ArtifactRecord;
  readonly children: readonly ChildRecord[] | null;
}

/** The scan of one image: what state it is in, so that nobody takes an empty list for "no findings". */
export interface ImageScan {
  readonly digest: string;
  readonly platform: string | null;
  /** Null: not scanned (yet). */
  readonly state: ScanState | null;
  readonly reasons: readonly string[];
  readonly scannedAt: string | null;
}

export interface FindingsPage {
  readonly scans: readonly ImageScan[];
  readonly items: readonly ImageFinding[];
  /** How many match in all. */
  readonly total: number;
  /** `offset` of the next page, null on the last. */
  readonly next: number | null;
}

/** Longest wait for a verdict in one request; clients and proxies give up at 30 s without an answer. */
export const VERDICT_WAIT_MAX_SECONDS = 30;

/** How often a verdict that is no longer current is looked at. */
const LOOK_AGAIN_MS = 300;

/** Tells whether a stored verdict is still what the artifact would get now. */
export abstract class VerdictFreshness {
  /** False while a change of policy, evidence or content has not been judged yet. True for what is gone. */
  abstract isCurrent(artifactId: string): Promise<boolean>;
}

/** What was pushed and what is known of it, for the API. Who may see it is decided before, by the caller. */
export class Catalog {
  readonly #store: CatalogStore;
  readonly #signals: VerdictSignals;
  readonly #freshness: VerdictFreshness;

  constructor(store: CatalogStore, signals: VerdictSignals, freshness: VerdictFreshness) {
    this.#store = store;
    this.#signals = signals;
    this.#freshness = freshness;
  }

  /** Where a repository, artifact or verdict lies; null when there is none. */
  locate(kind: 'repository' | 'artifact' | 'verdict', id: string): Promise<CatalogPlace | null> {
    return this.#store.locate(kind, id);
  }

  listRepositories(query: RepositoryQuery): Promise<RepositoryRecord[]> {
    return this.#store.listRepositories(query);
  }

  /** @throws CatalogError repository-unknown */
  async repository(id: string): Promise<RepositoryRecord> {
    const repository = await this.#store.repository(id);
    if (repository === null) throw new CatalogError('repository-unknown', 'there is no such repository');
    return repository;
  }

  listArtifacts(query: ArtifactQuery): Promise<ArtifactRecord[]> {
    return this.#store.listArtifacts(query);
  }

  /** @throws CatalogError artifact-unknown */
  async artifact(id: string): Promise<ArtifactRecord> {
    const artifact = await this.#store.artifact(id);
    if (artifact === null) throw new CatalogError('artifact-unknown', 'there is no such artifact');
    return artifact;
  }

  /**
   * The artifact that a reference names now.
   *
   * @param hosts names of this registry, see {@link parseLocalReference}
   * @throws CatalogError reference-invalid, other-registry, artifact-unknown
   */
  async resolve(reference: string, hosts: readonly string[]): Promise<ArtifactRecord> {
    const { repository, named } = parseLocalReference(reference, hosts);
    const artifact = await this.#store.findArtifact(repository, named);
    if (artifact !== null) return artifact;
    const what = 'tag' in named ? `${repository}:${named.tag}` : `${repository}@${named.digest}`;
    throw new CatalogError('artifact-unknown', `there is no artifact ${what}`);
  }

  evidence(artifact: ArtifactRecord): Promise<EvidenceEntry[]> {
    return this.#store.evidence(artifact.repositoryId, artifact.digest);
  }

  /**
   * Findings of an image, or of all images of an index, worst first, with the state of every scan they come from.
   */
  async findings(
    artifact: ArtifactRecord,
    filter: FindingFilter,
    page: { readonly offset: number; readonly limit: number },
  ): Promise<FindingsPage> {
    const images = await this.#imagesOf(artifact);
    const scans: ImageScan[] = [];
    const all: ImageFinding[] = [];
    for (const image of images) {
      const scan = await this.#scanOf(artifact.repositoryId, image.digest);
      scans.push({
        ...image,
        state: scan?.state ?? null,
        reasons: scan?.reasons ?? ['it has not been scanned yet'],
        scannedAt: scan?.scannedAt ?? null,
      });
      all.push(...(scan?.findings ?? []).map((finding) => ({ ...finding, image })));
    }
    const matching = selectFindings(all, filter);
    const end = page.offset + page.limit;
    return {
      scans,
      items: matching.slice(page.offset, end),
      total: matching.length,
      next: end < matching.length ? end : null,
    };
  }

  /** Why an artifact has no software bill of materials, in the words of the scan where there was one. */
  async noSbom(artifact: ArtifactRecord): Promise<CatalogError> {
    return new CatalogError('sbom-missing', `there is no SBOM: ${await this.#whyNoSbom(artifact)}`);
  }

  async #whyNoSbom(artifact: ArtifactRecord): Promise<string> {
    if (artifact.kind === 'index') {
      const images = await this.#imagesOf(artifact);
      const list = images.map(({ digest, platform }) => `${platform ?? 'image'} ${digest}`).join(', ');
      return `this is an index; each of its images has its own: ${list || 'it names none'}`;
    }
    if (artifact.kind !== 'image') return `nothing in it can run (it is of kind ${artifact.kind})`;
    const scan = await this.#scanOf(artifact.repositoryId, artifact.digest);
    if (scan === null) return 'the image has not been scanned yet';
    return [`the scan ended with "${scan.state}"`, ...scan.reasons].join('; ');
  }

  /** @throws CatalogError verdict-unknown */
  async verdict(id: string): Promise<ExplainedVerdict> {
    const verdict = await this.#store.verdict({ id });
    const artifact = verdict === null ? null : await this.#store.artifact(verdict.artifactId);
    if (verdict === null || artifact === null) throw noVerdict();
    return this.#explained(verdict, artifact);
  }

  /**
   * The verdict of an artifact, after waiting while it is pending or while a change is not judged yet: whoever has just
   * pushed a signature does not want to hear the verdict from before.
   *
   * @param waitMs how long at most; 0 answers at once with what is stored
   * @param signal ends the wait early, e.g. when the client has gone
   * @throws CatalogError verdict-unknown, also when the artifact is deleted meanwhile
   */
  async awaitVerdict(
    artifact: ArtifactRecord,
    waitMs: number,
    signal?: AbortSignal,
  ): Promise<ExplainedVerdict> {
    const deadline = Date.now() + waitMs;
    // Watching begins before the first look, so that no change falls between the two.
    const watch = this.#signals.watch(artifact.id);
    try {
      for (;;) {
        const verdict = await this.#store.verdict({ artifactId: artifact.id });
        if (verdict === null) throw noVerdict();
        const leftMs = deadline - Date.now();
        const isOver = leftMs <= 0 || signal?.aborted === true;
        const isPending = verdict.state === 'pending';
        if (isOver || (!isPending && (await this.#freshness.isCurrent(artifact.id)))) {
          return await this.#explained(verdict, artifact);
        }
        // A judgement that changes nothing that a pull would see gives no signal.
        await watch.next(isPending ? leftMs : Math.min(leftMs, LOOK_AGAIN_MS), signal);
      }
    } finally {
      watch.close();
    }
  }

  async #explained(verdict: VerdictRecord, artifact: ArtifactRecord): Promise<ExplainedVerdict> {
    const children = artifact.kind === 'index' ? await this.#store.children(artifact.id) : null;
    return { ...verdict, artifact, children };
  }

  /** The artifact itself, or everything in an index that a runtime could run, each once. */
  async #imagesOf(artifact: ArtifactRecord): Promise<ImageRef[]> {
    if (artifact.kind !== 'index') return [{ digest: artifact.digest, platform: null }];
    const images = new Map<string, ImageRef>();
    const indexes = new Set([artifact.id]);
    // The set grows while it is walked: an index may name indexes. Digests make a cycle impossible.
    for (const index of indexes) {
      for (const { digest, platform, artifact: stored } of await this.#store.children(index)) {
        if (stored?.kind === 'index') indexes.add(stored.id);
        else if (isRunnable(platform, stored)) images.set(digest, { digest, platform });
      }
    }
    return [...images.values()];
  }

  async #scanOf(repositoryId: string, digest: string): Promise<ScanEvidence | null> {
    const entries = await this.#store.evidence(repositoryId, digest);
    const newest = entries.findLast((entry) => entry.kind === 'scan');
    return newest === undefined ? null : (newest.payload as ScanEvidence);
  }
}

interface ImageRef {
  readonly digest: string;
  readonly platform: string | null;
}

/** What is missing counts as an image: nobody knows better. `unknown/unknown` marks BuildKit's attestations. */
function isRunnable(platform: string | null, stored: ChildRecord['artifact']): boolean {
  return stored === null ? platform !== 'unknown/unknown' : stored.kind === 'image';
}

function noVerdict(): CatalogError {
  return new CatalogError('verdict-unknown', 'there is no such verdict');
}
