import type { Readable } from 'node:stream';
import { type BlobStorage, type ObjectRange, signsUrls } from '@sluice/blob-storage';
import type { BlobLinks, ReadCoherence, RegistryReads, StoredBlob } from '@sluice/database';
import { type Digest, OciError, type RepositoryName } from '@sluice/domain/oci';
import { decideGate } from '@sluice/domain/policy';
import type { PullGate } from './pull-gate.ts';
import { isIntact } from './intact.ts';
import { type Pullable, PullMemory } from './pull-memory.ts';
import { assertCurrent, principalIdOf, type PullRequest } from './request.ts';

/** A blob that may be pulled. */
export interface PulledBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly warning: string | null;
  /** Streams the bytes, or a part that lies within them. The stream must be consumed or destroyed. */
  open(range?: ObjectRange): Promise<Readable>;
  /**
   * A URL of the object store that gives the bytes to whoever has it, for some minutes. Null when the project wants its
   * blobs to come from Sluice, or the storage has no such URLs.
   */
  locate(): Promise<string | null>;
}

export interface BlobSettings {
  /** How long a blob that a pushing client was told of is kept from garbage collection. */
  readonly leaseSeconds: number;
}

interface FoundBlob extends Pullable {
  readonly blob: StoredBlob;
}

/** How long a redirected client has to begin; a download that has begun goes on. */
const SIGNED_URL_SECONDS = 300;

/** Pulling, mounting and removing blobs. */
export class BlobService {
  readonly #reads: RegistryReads;
  readonly #links: BlobLinks;
  readonly #storage: BlobStorage;
  readonly #gate: PullGate;
  readonly #coherence: ReadCoherence;
  readonly #memory: PullMemory<FoundBlob>;
  readonly #leaseSeconds: number;

  constructor(
    reads: RegistryReads,
    links: BlobLinks,
    storage: BlobStorage,
    gate: PullGate,
    coherence: ReadCoherence,
    settings: BlobSettings,
  ) {
    this.#reads = reads;
    this.#links = links;
    this.#storage = storage;
    this.#gate = gate;
    this.#coherence = coherence;
    this.#memory = new PullMemory(coherence);
    this.#leaseSeconds = settings.leaseSeconds;
  }

  /**
   * Pulls a blob. Its content is let out by the best verdict among the artifacts of the repository that name it, for
   * pushers as for anybody.
   *
   * @throws OciError BLOB_UNKNOWN, NAME_UNKNOWN; PullDenied, VerdictPending, CredentialsRevoked
   */
  async get(repository: RepositoryName, digest: Digest, request: PullRequest): Promise<PulledBlob> {
    const first =
      this.#memory.recall(repository, digest, request.caller) ??
      (await this.#find(repository, digest, request));
    if (isUngated(first.blob)) return this.#pulled(first, null);
    const { found, warning } = await this.#gate.admit(request, repository, digest, first, () =>
      this.#find(repository, digest, request),
    );
    return this.#pulled(found, warning);
  }

  /**
   * What a pull would answer, without the bytes. Whoever may push is told of any blob of the repository, so that it
   * need not be pushed again, unless the storage has lost it; the blob is then kept for the manifest that will name it.
   *
   * @throws as {@link get}
   */
  async head(repository: RepositoryName, digest: Digest, request: PullRequest): Promise<PulledBlob> {
    if (!request.actions.includes('push')) return this.get(repository, digest, request);
    const found = await this.#find(repository, digest, request);
    if (!(await isIntact(this.#storage, found.blob))) throw unknownBlob(digest);
    if (!(await this.#keep(found.blob))) throw unknownBlob(digest);
    return this.#pulled(found, null);
  }

  /**
   * Makes a blob of another repository available in this one, when the caller could have pulled it there. Returns
   * false when not: the client then uploads it, and learns nothing about other repositories.
   *
   * @param candidates where it may lie, tried in their order
   * @param mayPull whether the caller may pull from a repository
   * @throws OciError NAME_UNKNOWN (no project)
   */
  async mount(
    repository: RepositoryName,
    digest: Digest,
    candidates: readonly RepositoryName[],
    mayPull: (repository: RepositoryName) => Promise<boolean>,
    request: PullRequest,
  ): Promise<boolean> {
    for (const candidate of candidates) {
      // What lies in the repository already is no mount, and says nothing new to somebody who may push there.
      const isAllowed =
        candidate === repository ||
        ((await mayPull(candidate)) && (await this.#mayTake(candidate, digest, request)));
      if (isAllowed && (await this.#links.mount(repository, digest, candidate, this.#leaseSeconds)))
        return true;
    }
    return false;
  }

  /** @throws OciError BLOB_UNKNOWN, UNSUPPORTED (a manifest of the repository names it) */
  async delete(repository: RepositoryName, digest: Digest): Promise<void> {
    if (!(await this.#links.unlink(repository, digest))) throw unknownBlob(digest);
    await this.#coherence.settle();
  }

  /** A mount hands content on, so the gate of where it lies must let it out; there is no waiting for a verdict. */
  async #mayTake(from: RepositoryName, digest: Digest, { caller }: PullRequest): Promise<boolean> {
    const lookup = await this.#reads.blob(from, digest, principalIdOf(caller));
    assertCurrent(caller, from, lookup);
    const { blob } = lookup;
    if (blob === null) return false;
    const { kind } = decideGate(blob.verdict);
    return isUngated(blob) || kind === 'allow' || kind === 'warn';
  }

  async #find(repository: RepositoryName, digest: Digest, request: PullRequest): Promise<FoundBlob> {
    const { generation } = this.#memory;
    const lookup = await this.#reads.blob(repository, digest, principalIdOf(request.caller));
    assertCurrent(request.caller, repository, lookup);
    const { repositoryId, visibility, blob } = lookup;
    if (repositoryId === null || visibility === null || blob === null) throw unknownBlob(digest);
    const { verdict } = blob;
    const found = { blob, verdict, visibility, manifestId: verdict?.manifestId ?? null, digest };
    // A push that names the blob tells nobody: an image would count for more than another artifact, and no less than
    // another image.
    if (blob.isOfImage) {
      this.#memory.remember(
        generation,
        { id: repositoryId, name: repository },
        digest,
        request.caller,
        found,
      );
    }
    return found;
  }

  /** At most one write for half the time of a lease, however often clients ask. */
  async #keep(blob: StoredBlob): Promise<boolean> {
    const renewBefore = Date.now() + (this.#leaseSeconds * 1_000) / 2;
    if (blob.leasedUntil !== null && blob.leasedUntil.getTime() > renewBefore) return true;
    return this.#links.lease(blob.id, this.#leaseSeconds);
  }

  #pulled({ blob, digest }: FoundBlob, warning: string | null): PulledBlob {
    return {
      digest,
      sizeBytes: blob.sizeBytes,
      warning,
      open: (range) => this.#storage.read(blob.objectKey, range),
      locate: async () =>
        blob.mayRedirect && signsUrls(this.#storage)
          ? this.#storage.signedUrl(blob.objectKey, SIGNED_URL_SECONDS)
          : null,
    };
  }
}

/** No artifact names it, and no policy of the project would ask for one. */
function isUngated(blob: StoredBlob): boolean {
  return blob.verdict === null && !blob.enforced;
}

function unknownBlob(digest: Digest): OciError {
  return new OciError('BLOB_UNKNOWN', `there is no blob ${digest} in the repository`);
}
