import {
  LIMITS,
  OCI_MANIFEST_MEDIA_TYPE,
  appendLegacySignature,
  buildSimpleSigning,
  checkLegacySignature,
  formatSignatureTag,
  parseLegacyManifest,
} from '@sluice/domain/signature';
import { RegistryClientError } from '@sluice/registry-client';
import { isUnreadable } from './unreadable.ts';
import type { SigningTarget, WrittenSignature } from './sign-image.ts';

const ATTEMPTS = 3;

/**
 * Adds a layer to the `.sig` manifest of the subject. The tag is read, changed and written, and two signers may do so
 * at once; therefore it is read again until our signature is in it.
 */
export async function pushLegacySignature(target: SigningTarget): Promise<WrittenSignature> {
  const { client, key, repository, subject, signal } = target;
  const tag = formatSignatureTag(subject.digest);
  const payload = buildSimpleSigning({
    digest: subject.digest,
    dockerReference: `${target.registry}/${repository}`,
  });
  const signature = key.sign(payload);
  let isNew = false;
  for (let attempt = 0; attempt <= ATTEMPTS; attempt += 1) {
    const existing = await client.findManifest(repository, tag, { signal });
    if (existing !== null && (await isSignedBy(target, existing.bytes)))
      return { format: 'legacy', manifest: existing.digest, isNew };
    if (attempt === ATTEMPTS) break;
    const { manifest, config } = appendLegacySignature(existing?.bytes ?? null, payload, signature);
    await client.putBlob(repository, payload, { signal });
    await client.putBlob(repository, config, { signal });
    await client.putManifest(
      repository,
      tag,
      { bytes: manifest, mediaType: OCI_MANIFEST_MEDIA_TYPE },
      { signal },
    );
    isNew = true;
  }
  throw new RegistryClientError('REFUSED', `others keep overwriting ${client.registry}/${repository}:${tag}`);
}

/** Whether one of the layers is a signature of the subject by our key. */
async function isSignedBy(target: SigningTarget, manifest: Uint8Array): Promise<boolean> {
  const { client, key, repository, subject, signal } = target;
  const trustedKeys = [{ id: 'self', key: key.publicKey }];
  for (const layer of parseLegacyManifest(manifest)) {
    const { digest } = layer.payload;
    if (layer.signature === null) continue;
    const payload = await client
      .getBlob(repository, digest, { signal, maxBytes: LIMITS.payloadBytes })
      .catch((error: unknown) => {
        if (isUnreadable(error)) return null;
        throw error;
      });
    if (payload === null) continue;
    const { mediaType, signature } = layer;
    const check = checkLegacySignature({
      subject: subject.digest,
      mediaType,
      payload,
      signature,
      trustedKeys,
    });
    if (check.rejection === null) return true;
  }
  return false;
}
