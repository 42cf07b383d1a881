import { SignatureRejected } from './errors.ts';
import { type JsonObject, JsonShape } from './json-shape.ts';
import { LIMITS } from './limits.ts';
import { type PublicKey, keyHint } from './public-key.ts';
import { IN_TOTO_PAYLOAD_TYPE } from './statement.ts';

export const BUNDLE_MEDIA_TYPE = 'application/vnd.dev.sigstore.bundle.v0.3+json';

/** Both spellings of version 0.3 (protobuf-specs, sigstore_bundle.proto). */
const VERSIONS = [BUNDLE_MEDIA_TYPE, 'application/vnd.dev.sigstore.bundle+json;version=0.3'];

/** A DSSE envelope with the hint of the key that made it. */
export interface SignedEnvelope {
  /** Conventionally {@link keyHint} of the key; says where to look first and proves nothing. */
  readonly hint: string;
  readonly payloadType: string;
  readonly payload: Buffer;
  readonly signature: Buffer;
}

/**
 * Parses a v0.3 bundle that holds one DSSE envelope signed with a bare key.
 *
 * Log entries and timestamps are counted and otherwise ignored: trust in an own key rests on no log.
 *
 * @throws SignatureRejected content-too-large, limit, bundle-malformed, bundle-version, certificate,
 * message-signature, envelope-signatures, key-id
 */
export function parseBundle(bytes: Uint8Array): SignedEnvelope {
  const shape = new JsonShape('bundle-malformed', 'sigstore bundle');
  const root = shape.parse(bytes, LIMITS.bundleBytes);
  const version = shape.string(root['mediaType'], 'mediaType');
  if (!VERSIONS.includes(version)) {
    throw new SignatureRejected(
      'bundle-version',
      `the bundle is of the type "${version.slice(0, 80)}", read is ${BUNDLE_MEDIA_TYPE}`,
    );
  }
  const material = shape.object(root['verificationMaterial'], 'verificationMaterial');
  checkTimes(shape, material);
  const isMessage = root['messageSignature'] !== undefined;
  if (isMessage === (root['dsseEnvelope'] !== undefined))
    shape.fail('exactly one of dsseEnvelope and messageSignature must be there');
  if (isMessage) {
    throw new SignatureRejected(
      'message-signature',
      'the bundle signs bytes (messageSignature) and not a statement about an image: cosign does not count it either',
    );
  }
  const hint = readHint(shape, material);
  return readEnvelope(shape, shape.object(root['dsseEnvelope'], 'dsseEnvelope'), hint);
}

/** The bundle around a statement that the key signed, as cosign 3 writes it. */
export function buildBundle(key: PublicKey, statement: Uint8Array, signature: Uint8Array): Buffer {
  return Buffer.from(
    JSON.stringify({
      mediaType: BUNDLE_MEDIA_TYPE,
      verificationMaterial: { publicKey: { hint: keyHint(key) } },
      dsseEnvelope: {
        payload: Buffer.from(statement).toString('base64'),
        payloadType: IN_TOTO_PAYLOAD_TYPE,
        signatures: [{ sig: Buffer.from(signature).toString('base64') }],
      },
    }),
  );
}

function checkTimes(shape: JsonShape, material: JsonObject): void {
  for (const entry of shape.array(material['tlogEntries'] ?? [], 'tlogEntries', LIMITS.tlogEntries)) {
    // Version 0.3 makes the proof mandatory wherever there is an entry.
    shape.object(shape.object(entry, 'tlogEntries[]')['inclusionProof'], 'tlogEntries[].inclusionProof');
  }
  const times = shape.object(material['timestampVerificationData'] ?? {}, 'timestampVerificationData');
  shape.array(times['rfc3161Timestamps'] ?? [], 'rfc3161Timestamps', LIMITS.timestamps);
}

function readHint(shape: JsonShape, material: JsonObject): string {
  const isCertificate =
    material['certificate'] !== undefined || material['x509CertificateChain'] !== undefined;
  if (isCertificate === (material['publicKey'] !== undefined))
    shape.fail('verificationMaterial must hold exactly one of publicKey and certificate');
  if (isCertificate) {
    throw new SignatureRejected(
      'certificate',
      'the bundle is signed with a certificate: only signatures by trusted keys count here',
    );
  }
  const { hint } = shape.object(material['publicKey'], 'publicKey');
  return hint === undefined ? '' : shape.string(hint, 'publicKey.hint');
}

function readEnvelope(shape: JsonShape, envelope: JsonObject, hint: string): SignedEnvelope {
  const signatures = shape.array(envelope['signatures'], 'signatures', LIMITS.digestsPerSubject);
  if (signatures.length !== 1) {
    throw new SignatureRejected(
      'envelope-signatures',
      `the envelope carries ${signatures.length} signatures, a bundle has exactly one`,
    );
  }
  const entry = shape.object(signatures[0], 'signatures[0]');
  const keyId = entry['keyid'] === undefined ? '' : shape.string(entry['keyid'], 'signatures[0].keyid');
  if (keyId !== '' && keyId !== hint) {
    throw new SignatureRejected('key-id', 'the envelope names another key (keyid) than the bundle (hint)');
  }
  return {
    hint,
    payloadType: shape.string(envelope['payloadType'], 'payloadType'),
    payload: shape.base64(envelope['payload'], 'payload'),
    signature: shape.base64(entry['sig'], 'signatures[0].sig'),
  };
}
