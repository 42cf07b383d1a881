import { EMPTY_JSON_DIGEST } from './digest.ts';
import { JsonObjectCheck } from './json-object-check.ts';
import type { ImageManifest, Manifest } from './manifest.ts';
import { DOCKER_IMAGE_CONFIG, OCI_IMAGE_CONFIG } from './media-types.ts';

/** What a manifest is to the gate. Only an `image` can run, and only what can run must have been scanned. */
export type ArtifactKind = 'image' | 'index' | 'signature' | 'attestation' | 'artifact';

/**
 * Layers that a container runtime unpacks, in whatever compression: those of image-spec and of containerd
 * (IsLayerType), and whatever else begins like them, because Docker looks at no more than the beginning.
 */
const RUNNABLE_LAYER_PREFIXES = [
  'application/vnd.oci.image.',
  'application/vnd.docker.',
  'application/vnd.erofs.layer.',
];

/**
 * Layers that are run as they are, whatever config stands beside them, if any: images of Apptainer, and WebAssembly as
 * containerd's runwasi and crun start it.
 */
const SELF_CONTAINED_PREFIXES = [
  'application/vnd.sylabs.sif.layer.',
  'application/wasm',
  'application/vnd.wasm.content.layer.',
];

/**
 * Configs that a container runtime takes for one of an image. Docker takes the last three as well, for what old
 * registries wrote (moby, `defaultImageTypes`).
 */
const RUNNABLE_CONFIGS: readonly string[] = [
  OCI_IMAGE_CONFIG,
  DOCKER_IMAGE_CONFIG,
  'application/octet-stream',
  'application/json',
  'text/html',
];

/** Layers that hold statements about other content, whatever config stands beside them. */
const SIMPLE_SIGNING = 'application/vnd.dev.cosign.simplesigning.v1+json';
const SIGSTORE_BUNDLE_PREFIX = 'application/vnd.dev.sigstore.bundle';
const DSSE_ENVELOPE = 'application/vnd.dsse.envelope.v1+json';
const IN_TOTO = 'application/vnd.in-toto+json';
/** SBOMs as `cosign attach sbom` pushes them, under the config of an image; those that are written in JSON. */
const SBOMS: readonly string[] = [
  'text/spdx+json',
  'application/spdx+json',
  'application/vnd.cyclonedx+json',
  'application/vnd.syft+json',
];
const NOTATION = 'application/vnd.cncf.notary.signature';

/** How cosign says what the statement in a bundle is about; a signature is a statement of this type or none at all. */
const BUNDLE_PREDICATE_TYPE = 'dev.sigstore.bundle.predicateType';
const COSIGN_SIGN_PREDICATE = 'https://sigstore.dev/cosign/sign/v1';

/**
 * Tells what a manifest is by what a container runtime would do with it, not by what it calls itself: `artifactType`
 * cannot turn an image into something that need not be scanned.
 *
 * An image is what has a layer that runtimes unpack or run, or the config of an image. Two things are none although they say
 * so: layers under the empty config `{}` of another type, which no runtime starts (there is no rootfs in it), and
 * manifests whose layers are, every one, signatures, attestations or SBOMs. cosign and BuildKit write those with the
 * config of an image, and the media type of a layer alone proves nothing: podman unpacks a tar archive that calls itself
 * `application/vnd.in-toto+json`. So that counts only when somebody has looked.
 *
 * @param provenStatements whether the content of every layer was found to be a statement, see
 * {@link claimsToHoldStatements}
 */
export function classify(manifest: Manifest, provenStatements = false): ArtifactKind {
  if (manifest.form === 'index') return 'index';
  if (isRunnable(manifest) && !(provenStatements && claimsToHoldStatements(manifest))) return 'image';
  return statementKind(manifest) ?? 'artifact';
}

/**
 * Whether a manifest that a runtime would start says of all its layers that they are signatures, attestations or SBOMs.
 * The layers must then be looked at with {@link isStatementContent}.
 */
export function claimsToHoldStatements(manifest: Manifest): manifest is ImageManifest {
  return (
    manifest.form === 'image' &&
    isRunnable(manifest) &&
    manifest.layers.length > 0 &&
    manifest.layers.every(({ mediaType }) => isStatementLayer(mediaType))
  );
}

/**
 * Whether content is a JSON object, as every signature and attestation is, and an SBOM in JSON. No archive is that could
 * bring a program, compressed or not: neither can do without control characters, which JSON text cannot hold.
 *
 * @param content in pieces; the rest is not asked for when one of them is none of an object
 */
export async function isStatementContent(
  content: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<boolean> {
  const check = new JsonObjectCheck();
  for await (const piece of content) if (!check.push(piece)) return false;
  return check.end();
}

function isRunnable({ config, layers }: ImageManifest): boolean {
  if (layers.some(({ mediaType }) => beginsWith(mediaType, SELF_CONTAINED_PREFIXES))) return true;
  const hasImageConfig = RUNNABLE_CONFIGS.includes(config.mediaType.toLowerCase());
  const isEmptyConfig = config.digest === EMPTY_JSON_DIGEST;
  // Some runtimes take a config by its media type and never miss the rootfs, so an empty one does not help there.
  if (layers.some(({ mediaType }) => beginsWith(mediaType, RUNNABLE_LAYER_PREFIXES))) {
    return hasImageConfig || !isEmptyConfig;
  }
  return hasImageConfig && (!isEmptyConfig || layers.length > 0);
}

function beginsWith(mediaType: string, prefixes: readonly string[]): boolean {
  const folded = mediaType.toLowerCase();
  return prefixes.some((prefix) => folded.startsWith(prefix));
}

function isStatementLayer(mediaType: string): boolean {
  return (
    mediaType === SIMPLE_SIGNING ||
    mediaType === DSSE_ENVELOPE ||
    mediaType === IN_TOTO ||
    SBOMS.includes(mediaType) ||
    mediaType.startsWith(SIGSTORE_BUNDLE_PREFIX)
  );
}

function statementKind(manifest: ImageManifest): 'signature' | 'attestation' | null {
  const has = (matches: (mediaType: string) => boolean): boolean =>
    manifest.layers.some((layer) => matches(layer.mediaType));
  if (manifest.artifactType === NOTATION || manifest.config.mediaType === NOTATION) return 'signature';
  if (has((mediaType) => mediaType === SIMPLE_SIGNING)) return 'signature';
  if (has((mediaType) => mediaType.startsWith(SIGSTORE_BUNDLE_PREFIX))) {
    const predicateType = manifest.annotations[BUNDLE_PREDICATE_TYPE];
    return predicateType === undefined || predicateType === COSIGN_SIGN_PREDICATE
      ? 'signature'
      : 'attestation';
  }
  return has((mediaType) => mediaType === DSSE_ENVELOPE || mediaType === IN_TOTO) ? 'attestation' : null;
}
