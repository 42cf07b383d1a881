import { type Digest, isDigest } from '@sluice/domain/oci';
import { RegistryClientError } from './errors.ts';

export const INDEX_MEDIA_TYPE = 'application/vnd.oci.image.index.v1+json';

/** A descriptor of the image specification as registries list it. */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly artifactType?: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** The descriptors of an index. Entries that are no descriptors are left out. @throws RegistryClientError PROTOCOL */
export function parseReferrers(bytes: Uint8Array): readonly Descriptor[] {
  const { manifests } = parseIndex(bytes);
  return manifests.flatMap((entry) => {
    const { mediaType, digest, size, artifactType, annotations } = entry as Partial<
      Record<keyof Descriptor, unknown>
    >;
    if (typeof mediaType !== 'string' || typeof digest !== 'string' || !isDigest(digest)) return [];
    if (typeof size !== 'number') return [];
    return [
      {
        mediaType,
        digest,
        size,
        ...(typeof artifactType === 'string' ? { artifactType } : {}),
        ...(typeof annotations === 'object' && annotations !== null
          ? { annotations: annotations as Record<string, string> }
          : {}),
      },
    ];
  });
}

/** The index with the referrer added; the same bytes when it is already there. Foreign fields stay. */
export function addReferrer(existing: Uint8Array | null, referrer: Descriptor): Buffer {
  if (existing === null)
    return encode({ schemaVersion: 2, mediaType: INDEX_MEDIA_TYPE, manifests: [referrer] });
  if (parseReferrers(existing).some(({ digest }) => digest === referrer.digest)) return Buffer.from(existing);
  const index = parseIndex(existing);
  return encode({ ...index, manifests: [...index.manifests, referrer] });
}

function parseIndex(bytes: Uint8Array): { manifests: readonly object[] } {
  let index: { manifests?: unknown } | null = null;
  try {
    index = JSON.parse(Buffer.from(bytes).toString('utf8')) as { manifests?: unknown } | null;
  } catch {
    // Falls through to the same refusal as JSON that is no index.
  }
  const manifests = index?.manifests;
  if (!Array.isArray(manifests))
    throw new RegistryClientError('PROTOCOL', 'the list of referrers is not an image index');
  return {
    ...index,
    manifests: manifests.filter((entry) => typeof entry === 'object' && entry !== null) as object[],
  };
}

function encode(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
