import {
  BUNDLE_MEDIA_TYPE,
  IN_TOTO_PAYLOAD_TYPE,
  LIMITS,
  OCI_MANIFEST_MEDIA_TYPE,
  SignatureRejected,
  buildBundle,
  buildBundleManifest,
  buildImageStatement,
  checkBundleSignature,
  findBundleLayer,
  preAuthEncoding,
} from '@sluice/domain/signature';
import type { Descriptor } from '@sluice/registry-client';
import { isUnreadable } from './unreadable.ts';
import type { SigningTarget, WrittenSignature } from './sign-image.ts';

/** Pushes a bundle as a referrer of the subject, unless one by the same key is there. */
export async function pushBundleSignature(target: SigningTarget): Promise<WrittenSignature> {
  const { client, key, repository, subject, signal } = target;
  const referrers = await client.listReferrers(repository, subject.digest, { signal });
  for (const referrer of referrers) {
    if (referrer.artifactType !== undefined && referrer.artifactType !== BUNDLE_MEDIA_TYPE) continue;
    if (await isSignedBy(target, referrer))
      return { format: 'bundle', manifest: referrer.digest, isNew: false };
  }
  const statement = buildImageStatement(subject.digest);
  const signature = key.sign(preAuthEncoding(IN_TOTO_PAYLOAD_TYPE, statement));
  const bundle = buildBundle(key.publicKey, statement, signature);
  await client.putBlob(repository, bundle, { signal });
  await client.putBlob(repository, Buffer.from('{}'), { signal });
  const bytes = buildBundleManifest(subject, bundle, target.now);
  const { annotations } = JSON.parse(bytes.toString('utf8')) as { annotations: Record<string, string> };
  const manifest = await client.pushReferrer(
    repository,
    subject.digest,
    { bytes, mediaType: OCI_MANIFEST_MEDIA_TYPE, artifactType: BUNDLE_MEDIA_TYPE, annotations },
    { signal },
  );
  return { format: 'bundle', manifest, isNew: true };
}

/** Other people's broken referrers are no reason not to sign: they are not by our key. */
async function isSignedBy(target: SigningTarget, referrer: Descriptor): Promise<boolean> {
  const { client, key, repository, subject, signal } = target;
  try {
    const manifest = await client.getManifest(repository, referrer.digest, { signal });
    const layer = findBundleLayer(manifest.bytes);
    if (layer === null) return false;
    const bundle = await client.getBlob(repository, layer.digest, { signal, maxBytes: LIMITS.bundleBytes });
    const trustedKeys = [{ id: 'self', key: key.publicKey }];
    return checkBundleSignature({ subject: subject.digest, bundle, trustedKeys }).rejection === null;
  } catch (error) {
    if (error instanceof SignatureRejected || isUnreadable(error)) return false;
    throw error;
  }
}
