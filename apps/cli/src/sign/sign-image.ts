import type { Digest } from '@sluice/domain/oci';
import { type SigningKey, openKeyFile } from '@sluice/domain/signature';
import { type ImageReference, type RegistryClient, RegistryClientError } from '@sluice/registry-client';
import { pushBundleSignature } from './push-bundle.ts';
import { pushLegacySignature } from './push-legacy.ts';

/** The legacy `.sig` tag, the v0.3 bundle referrer, or first the one and then the other. */
export type SignatureFormats = 'legacy' | 'bundle' | 'both';

export interface SignImageOptions {
  readonly reference: ImageReference;
  /** Text of an encrypted private key file of cosign. */
  readonly keyFile: string;
  readonly password: string;
  readonly formats: SignatureFormats;
  /** A client of the registry in `reference`. */
  readonly client: RegistryClient;
  readonly now: Date;
  readonly signal?: AbortSignal | undefined;
}

/** One format that now holds a signature by the key. */
export interface WrittenSignature {
  readonly format: 'legacy' | 'bundle';
  /** The manifest that carries it. */
  readonly manifest: Digest;
  /** False when the same key had signed in this format before: nothing was written. */
  readonly isNew: boolean;
}

export interface SignedImage {
  readonly digest: Digest;
  /** SHA-256 of the public key, as trusted keys are listed. */
  readonly keyId: string;
  readonly signatures: readonly WrittenSignature[];
}

/** What the two writers need. */
export interface SigningTarget {
  readonly client: RegistryClient;
  readonly key: SigningKey;
  readonly registry: string;
  readonly repository: string;
  readonly subject: { readonly mediaType: string; readonly digest: Digest; readonly size: number };
  readonly now: Date;
  readonly signal: AbortSignal | undefined;
}

/**
 * Signs the manifest that the reference names now, by its digest, and pushes the signature beside it. An index is
 * signed as such; its children are not signed one by one.
 *
 * The legacy form is written first: one bundle referrer makes cosign look at bundles only, so that an image must
 * never be left with a bundle whose legacy signature is still missing.
 *
 * @throws KeyError for the key file, RegistryClientError for the registry, SignatureRejected when the `.sig` tag holds
 * something else or is full
 */
export async function signImage(options: SignImageOptions): Promise<SignedImage> {
  return signWithKey(await openKeyFile(options.keyFile, options.password), options);
}

/** As {@link signImage}, with a key that is open already. */
export async function signWithKey(
  key: SigningKey,
  options: Omit<SignImageOptions, 'keyFile' | 'password'>,
): Promise<SignedImage> {
  const { reference, client, signal } = options;
  if (reference.registry !== client.registry) {
    throw new RegistryClientError(
      'REFERENCE_INVALID',
      `the image lies in ${reference.registry}, the client is one of ${client.registry}`,
    );
  }
  const named = reference.digest ?? reference.tag ?? 'latest';
  const manifest = await client.getManifest(reference.repository, named, { signal });
  const target: SigningTarget = {
    client,
    key,
    registry: reference.registry,
    repository: reference.repository,
    subject: {
      mediaType: manifest.mediaType,
      digest: manifest.digest,
      size: manifest.bytes.byteLength,
    },
    now: options.now,
    signal,
  };
  const signatures: WrittenSignature[] = [];
  if (options.formats !== 'bundle') signatures.push(await pushLegacySignature(target));
  if (options.formats !== 'legacy') signatures.push(await pushBundleSignature(target));
  return { digest: manifest.digest, keyId: key.publicKey.keyId, signatures };
}
