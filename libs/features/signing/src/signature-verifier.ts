import type {
  EvidenceItem,
  EvidenceStore,
  SignatureManifest,
  SignatureStore,
  SignedSubject,
  TrustedKeyStore,
} from '@sluice/database';
import { type Digest, digestAlgorithm } from '@sluice/domain/oci';
import {
  LIMITS,
  type SignatureCheck,
  SignatureRejected,
  type TrustedPublicKey,
  checkBundleSignature,
  checkLegacySignature,
  findBundleLayer,
  formatSignatureTag,
  parseLegacyManifest,
  parsePublicKey,
  rejectedCheck,
  toSignatureEvidence,
} from '@sluice/domain/signature';
import type { SignatureContents } from './signature-contents.ts';

/** What a job gives its work. */
export interface VerificationContext {
  readonly signal: AbortSignal;
  readonly progress: (done: number, total: number | null, unit: string) => void;
}

export interface VerificationResult {
  /** How many signatures, or things that claim to be one, were looked at. */
  readonly checked: number;
  readonly verified: number;
  /** How many could not be checked because their content has not arrived (yet). */
  readonly missing: number;
}

interface FoundSignature {
  readonly source: Digest;
  readonly index: number;
  readonly check: SignatureCheck;
}

const PRODUCER = 'sluice-signer/1';
const PAGE = 100;

/** Turns the signatures that lie beside an artifact into evidence. */
export class SignatureVerifier {
  readonly #signatures: SignatureStore;
  readonly #keys: TrustedKeyStore;
  readonly #contents: SignatureContents;
  readonly #evidence: EvidenceStore;
  readonly #now: () => Date;

  constructor(
    signatures: SignatureStore,
    keys: TrustedKeyStore,
    contents: SignatureContents,
    evidence: EvidenceStore,
    now: () => Date,
  ) {
    this.#signatures = signatures;
    this.#keys = keys;
    this.#contents = contents;
    this.#evidence = evidence;
    this.#now = now;
  }

  /**
   * Checks every signature of the digest in that repository, the layers behind its `.sig` tag and the bundles among
   * its referrers, against the keys that are trusted there now, and replaces what was known. Signatures that are gone
   * lose their evidence; those that do not count keep theirs, with the reason.
   *
   * Idempotent. Two calls for one subject must not run at once: the later one could store what the earlier one saw.
   */
  async verifySubject(subject: SignedSubject, context: VerificationContext): Promise<VerificationResult> {
    const trusted = await this.#trustedKeys(subject.repositoryId);
    const items: EvidenceItem[] = [];
    let verified = 0;
    let missing = 0;
    for await (const { source, index, check } of limited(this.#find(subject, trusted))) {
      context.signal.throwIfAborted();
      const payload = toSignatureEvidence(check, source, this.#now().toISOString());
      items.push({ key: `${source}#${index}`, payload });
      if (check.rejection === null) verified += 1;
      if (check.rejection?.code === 'content-missing') missing += 1;
      context.progress(items.length, null, 'signatures');
    }
    context.signal.throwIfAborted();
    const { digest, repositoryId } = subject;
    await this.#evidence.replace({ digest, repositoryId, kind: 'signature' }, PRODUCER, items);
    return { checked: items.length, verified, missing };
  }

  async #trustedKeys(repositoryId: string): Promise<TrustedPublicKey[]> {
    const records = await this.#keys.listForRepository(repositoryId);
    return records.map(({ id, pem }) => ({ id, key: parsePublicKey(pem) }));
  }

  async *#find(subject: SignedSubject, trusted: readonly TrustedPublicKey[]): AsyncGenerator<FoundSignature> {
    yield* this.#findLegacy(subject, trusted);
    yield* this.#findBundles(subject, trusted);
  }

  async *#findLegacy(
    subject: SignedSubject,
    trusted: readonly TrustedPublicKey[],
  ): AsyncGenerator<FoundSignature> {
    if (digestAlgorithm(subject.digest) !== 'sha256') return;
    const tag = formatSignatureTag(subject.digest);
    const manifest = await this.#signatures.findTagged(subject.repositoryId, tag, LIMITS.manifestBytes);
    if (manifest === null) return;
    const layers = rejecting(() => parseLegacyManifest(contentOf(manifest)));
    if (layers instanceof SignatureRejected) {
      yield { source: manifest.digest, index: 0, check: rejectedCheck('cosign-legacy', layers) };
      return;
    }
    for (const [index, { mediaType, payload, signature }] of layers.entries()) {
      const check = await this.#readAndCheck('cosign-legacy', subject, payload.digest, (bytes) =>
        checkLegacySignature({
          subject: subject.digest,
          mediaType,
          payload: bytes,
          signature,
          trustedKeys: trusted,
        }),
      );
      yield { source: manifest.digest, index, check };
    }
  }

  async *#findBundles(
    subject: SignedSubject,
    trusted: readonly TrustedPublicKey[],
  ): AsyncGenerator<FoundSignature> {
    let seen = 0;
    let after: string | null = null;
    for (;;) {
      const page: SignatureManifest[] = await this.#signatures.listReferrers(subject, {
        after,
        limit: PAGE,
        maxBytes: LIMITS.bundleManifestBytes,
      });
      for (const manifest of page) {
        seen += 1;
        if (seen > LIMITS.referrers) {
          yield { source: manifest.digest, index: 0, check: tooMany(LIMITS.referrers, 'referrers') };
          return;
        }
        const check = await this.#checkReferrer(subject, manifest, trusted);
        if (check !== null) yield { source: manifest.digest, index: 0, check };
      }
      after = page.at(-1)?.id ?? null;
      if (page.length < PAGE) return;
    }
  }

  /** Null for a referrer that carries no bundle and says nothing of the kind. */
  async #checkReferrer(
    subject: SignedSubject,
    manifest: SignatureManifest,
    trusted: readonly TrustedPublicKey[],
  ): Promise<SignatureCheck | null> {
    const layer = rejecting(() => findBundleLayer(contentOf(manifest)));
    if (layer === null) return null;
    if (layer instanceof SignatureRejected) {
      const claimsBundle = manifest.artifactType?.startsWith('application/vnd.dev.sigstore.bundle') ?? false;
      return claimsBundle ? rejectedCheck('sigstore-bundle', layer) : null;
    }
    return this.#readAndCheck('sigstore-bundle', subject, layer.digest, (bundle) =>
      checkBundleSignature({ subject: subject.digest, bundle, trustedKeys: trusted }),
    );
  }

  async #readAndCheck(
    format: SignatureCheck['format'],
    subject: SignedSubject,
    blob: Digest,
    check: (bytes: Buffer) => SignatureCheck,
  ): Promise<SignatureCheck> {
    const maxBytes = format === 'cosign-legacy' ? LIMITS.payloadBytes : LIMITS.bundleBytes;
    let bytes: Buffer;
    try {
      bytes = await this.#contents.readBlob(subject.repositoryId, blob, maxBytes);
    } catch (error) {
      return rejectedCheck(format, error);
    }
    return check(bytes);
  }
}

/** At most as many signatures as are kept; instead of the last one it says that there are more. */
async function* limited(found: AsyncGenerator<FoundSignature>): AsyncGenerator<FoundSignature> {
  let count = 0;
  for await (const signature of found) {
    count += 1;
    if (count === LIMITS.signatures) {
      yield { ...signature, check: tooMany(LIMITS.signatures - 1, 'signatures') };
      return;
    }
    yield signature;
  }
}

function tooMany(maximum: number, what: string): SignatureCheck {
  return rejectedCheck(
    'sigstore-bundle',
    new SignatureRejected('limit', `this and what follows was not checked: at most ${maximum} ${what} are`),
  );
}

function contentOf(manifest: SignatureManifest): Buffer {
  if (manifest.content !== null) return manifest.content;
  throw new SignatureRejected('content-too-large', 'the manifest is larger than that of a signature may be');
}

function rejecting<T>(parse: () => T): T | SignatureRejected {
  try {
    return parse();
  } catch (error) {
    if (error instanceof SignatureRejected) return error;
    throw error;
  }
}
