import { createHash } from 'node:crypto';
import type {
  ManifestWrites,
  ReadCoherence,
  ReferrersPage,
  ReferrersQuery,
  RegistryReads,
  StoredManifest,
} from '@sluice/database';
import type { Caller } from '@sluice/domain/access';
import {
  classify,
  type Digest,
  digestAlgorithm,
  type ManifestMediaType,
  OciError,
  parseManifest,
  parseReference,
  parseTag,
  type Reference,
  type RepositoryName,
  type Tag,
} from '@sluice/domain/oci';
import { decideGate, lacksOnlySignatures } from '@sluice/domain/policy';
import { LRUCache } from 'lru-cache';
import type { PullGate } from './pull-gate.ts';
import { type Pullable, PullMemory } from './pull-memory.ts';
import { assertCurrent, principalIdOf, type PullRequest } from './request.ts';
import type { StatementCheck } from './statement-check.ts';

export interface ManifestSettings {
  /** Bytes of manifests that are kept in memory. */
  readonly cacheBytes: number;
  /** How long the blobs of a pushed manifest are kept from garbage collection. */
  readonly leaseSeconds: number;
}

/** What answers a pull, without the bytes. */
export interface ManifestHead {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly sizeBytes: number;
  /** What to tell the client beside the answer. */
  readonly warning: string | null;
}

export interface PulledManifest extends ManifestHead {
  readonly content: Buffer;
}

export interface PushedManifest {
  readonly digest: Digest;
  readonly mediaType: ManifestMediaType;
  readonly subject: Digest | null;
}

/** A manifest with the verdict that holds for it. */
export interface FoundManifest extends Pullable {
  readonly manifest: StoredManifest;
}

/** As many tags in one PUT as its URL holds; a bound on one transaction. */
export const TAGS_PER_PUSH_MAX = 100;

/** Pushing and pulling manifests, and what is found by them: tags and referrers. */
export class ManifestService {
  readonly #reads: RegistryReads;
  readonly #writes: ManifestWrites;
  readonly #gate: PullGate;
  readonly #statements: StatementCheck;
  readonly #coherence: ReadCoherence;
  readonly #memory: PullMemory<FoundManifest>;
  readonly #leaseSeconds: number;
  /** Immutable: a digest has one content. */
  readonly #contents: LRUCache<Digest, Buffer>;

  constructor(
    reads: RegistryReads,
    writes: ManifestWrites,
    gate: PullGate,
    statements: StatementCheck,
    coherence: ReadCoherence,
    settings: ManifestSettings,
  ) {
    this.#reads = reads;
    this.#writes = writes;
    this.#gate = gate;
    this.#statements = statements;
    this.#coherence = coherence;
    this.#memory = new PullMemory(coherence);
    this.#leaseSeconds = settings.leaseSeconds;
    this.#contents = new LRUCache({
      maxSize: settings.cacheBytes,
      // Whoever answers from memory may hold it once more as text.
      sizeCalculation: (content) => content.length * 2 + 512,
    });
  }

  /**
   * Pulls a manifest. Whoever may push to the repository also gets it while its verdict is pending or wants nothing but
   * signatures: signing needs it.
   *
   * @param reference as the client wrote it
   * @throws OciError MANIFEST_UNKNOWN, NAME_UNKNOWN, DIGEST_INVALID; PullDenied, VerdictPending, CredentialsRevoked
   */
  async get(repository: RepositoryName, reference: string, request: PullRequest): Promise<PulledManifest> {
    const first = await this.#find(repository, reference, request);
    const { found, warning } = await this.#admit(repository, reference, first, request);
    return { ...head(found, warning), content: await this.#content(found.manifest) };
  }

  /**
   * What {@link get} would answer, when everything that decides it is in memory; null when it is not, or when the
   * answer is anything but the content.
   */
  recall(repository: RepositoryName, reference: string, caller: Caller): PulledManifest | null {
    const found = this.#memory.recall(repository, reference, caller);
    const content = found === null ? undefined : this.#contents.get(found.digest);
    if (found === null || content === undefined) return null;
    const decision = decideGate(found.verdict);
    if (decision.kind === 'hold' || decision.kind === 'deny') return null;
    return { ...head(found, decision.kind === 'warn' ? decision.message : null), content };
  }

  /**
   * What a pull would answer, without the bytes. A client that is pushing gets it whatever the verdict: it asks what a
   * tag points to before it moves it, and containerd gives up when that is refused.
   *
   * @throws as {@link get}
   */
  async head(repository: RepositoryName, reference: string, request: PullRequest): Promise<ManifestHead> {
    const first = await this.#find(repository, reference, request);
    if (request.isPushing) return head(first, null);
    const { found, warning } = await this.#admit(repository, reference, first, request);
    return head(found, warning);
  }

  /**
   * Stores a manifest under its digest and points tags at it.
   *
   * @param reference a tag, or the digest that the content must have
   * @param moreTags further tags (distribution-spec main, end-7b)
   * @throws OciError MANIFEST_INVALID, MANIFEST_TOO_LARGE, MANIFEST_BLOB_UNKNOWN, DIGEST_INVALID, TAG_INVALID,
   * NAME_UNKNOWN
   */
  async put(
    repository: RepositoryName,
    reference: string,
    moreTags: readonly string[],
    content: Buffer,
    contentType: string | null,
    caller: Caller,
  ): Promise<PushedManifest> {
    const target = parseReference(reference);
    if (moreTags.length > TAGS_PER_PUSH_MAX) {
      throw new OciError(
        'TAG_INVALID',
        `${moreTags.length} tags given; at most ${TAGS_PER_PUSH_MAX} at once`,
      );
    }
    const tags = [...(target.kind === 'tag' ? [target.tag] : []), ...moreTags.map(parseTag)];
    const digest = digestFor(target, content);
    const manifest = parseManifest(content, contentType);
    const { principal } = caller;
    const { movedTags } = await this.#writes.put({
      repository,
      digest,
      content,
      manifest,
      kind: classify(manifest, await this.#statements.prove(repository, manifest)),
      tags,
      pushedBy: principalIdOf(caller),
      provenance: principal.kind === 'workload' ? principal.provenance : null,
      leaseSeconds: this.#leaseSeconds,
    });
    if (movedTags) await this.#coherence.settle();
    return { digest, mediaType: manifest.mediaType, subject: manifest.subject?.digest ?? null };
  }

  /**
   * Removes a tag, or a manifest with all its tags.
   *
   * @throws OciError MANIFEST_UNKNOWN, DIGEST_INVALID, UNSUPPORTED (an index names it)
   */
  async delete(repository: RepositoryName, reference: string): Promise<void> {
    const target = lookupReference(reference);
    const existed =
      target.kind === 'tag'
        ? await this.#writes.deleteTag(repository, target.tag)
        : await this.#writes.deleteManifest(repository, target.digest);
    if (!existed) throw unknownManifest(reference);
    await this.#coherence.settle();
  }

  /**
   * A page of tags in byte order. Not gated: names reveal no content.
   *
   * @throws OciError NAME_UNKNOWN
   */
  async tags(repository: RepositoryName, after: string | null, limit: number): Promise<Tag[]> {
    const tags = await this.#reads.tags(repository, after, limit);
    if (tags === null) throw unknownRepository(repository);
    return tags;
  }

  /** A page of what refers to a digest, in byte order of the digests. Not gated. Empty when nothing does. */
  async referrers(
    repository: RepositoryName,
    subject: Digest,
    query: ReferrersQuery,
  ): Promise<ReferrersPage> {
    return this.#reads.referrers(repository, subject, query);
  }

  async #admit(repository: RepositoryName, reference: string, first: FoundManifest, request: PullRequest) {
    if ((await this.#maySign(first)) && (await request.principalMayPush()))
      return { found: first, warning: null };
    return this.#gate.admit(request, repository, reference, first, () =>
      this.#find(repository, reference, request),
    );
  }

  /** Not judged yet, or refused for want of signatures alone: whoever pushes it has to read it to sign it. */
  async #maySign({ manifest, verdict }: FoundManifest): Promise<boolean> {
    if (verdict?.state !== 'red') return verdict?.state === 'pending';
    return lacksOnlySignatures(await this.#reads.verdictResults(manifest.id));
  }

  async #find(repository: RepositoryName, reference: string, request: PullRequest): Promise<FoundManifest> {
    const recalled = this.#memory.recall(repository, reference, request.caller);
    if (recalled !== null) return recalled;
    const { generation } = this.#memory;
    const lookup = await this.#reads.manifest(
      repository,
      lookupReference(reference),
      principalIdOf(request.caller),
    );
    assertCurrent(request.caller, repository, lookup);
    const { manifest, visibility } = lookup;
    if (lookup.repositoryId === null || visibility === null) throw unknownRepository(repository);
    if (manifest === null) throw unknownManifest(reference);
    const { id, verdict, digest } = manifest;
    const found = { manifest, verdict, visibility, manifestId: id, digest };
    const named = { id: lookup.repositoryId, name: repository };
    this.#memory.remember(generation, named, reference, request.caller, found);
    return found;
  }

  async #content(manifest: StoredManifest): Promise<Buffer> {
    const cached = this.#contents.get(manifest.digest);
    if (cached !== undefined) return cached;
    const content = await this.#reads.manifestContent(manifest.id);
    if (content === null) throw unknownManifest(manifest.digest);
    this.#contents.set(manifest.digest, content);
    return content;
  }
}

function head({ manifest }: FoundManifest, warning: string | null): ManifestHead {
  return { digest: manifest.digest, mediaType: manifest.mediaType, sizeBytes: manifest.sizeBytes, warning };
}

/** @throws OciError DIGEST_INVALID when the client names another digest than the content has */
function digestFor(target: Reference, content: Buffer): Digest {
  const algorithm = target.kind === 'digest' ? digestAlgorithm(target.digest) : 'sha256';
  const actual = `${algorithm}:${createHash(algorithm).update(content).digest('hex')}` as Digest;
  if (target.kind === 'digest' && target.digest !== actual) {
    throw new OciError('DIGEST_INVALID', `the manifest has the digest ${actual}, not ${target.digest}`);
  }
  return actual;
}

/** What cannot be the name of a tag is not there: clients probe for names that are none. */
function lookupReference(text: string): Reference {
  try {
    return parseReference(text);
  } catch (error) {
    if (error instanceof OciError && error.code === 'TAG_INVALID') throw unknownManifest(text);
    throw error;
  }
}

function unknownManifest(reference: string): OciError {
  return new OciError(
    'MANIFEST_UNKNOWN',
    `there is no manifest "${reference.slice(0, 160)}" in the repository`,
  );
}

function unknownRepository(repository: RepositoryName): OciError {
  return new OciError('NAME_UNKNOWN', `there is no repository "${repository}"`);
}
