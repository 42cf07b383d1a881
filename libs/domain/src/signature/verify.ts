import type { SignatureEvidence } from '../policy/evidence.ts';
import type { Digest } from '../oci/digest.ts';
import { parseBundle } from './bundle.ts';
import { type Rejection, SignatureRejected } from './errors.ts';
import { decodeBase64 } from './json-shape.ts';
import { type PublicKey, keyHint } from './public-key.ts';
import { verifyBytes } from './signature-bytes.ts';
import { SIMPLE_SIGNING_MEDIA_TYPE, type SimpleSigning, parseSimpleSigning } from './simple-signing.ts';
import {
  IMAGE_SIGNATURE_PREDICATE,
  IN_TOTO_PAYLOAD_TYPE,
  firstDigest,
  namesDigest,
  parseStatement,
  preAuthEncoding,
} from './statement.ts';

/** A key that a group or project trusts, under the id that evidence names. */
export interface TrustedPublicKey {
  readonly id: string;
  readonly key: PublicKey;
}

/** What came of checking one signature; verified when `rejection` is null. */
export interface SignatureCheck {
  readonly format: SignatureEvidence['format'];
  readonly signedDigest: Digest | null;
  readonly predicateType: string | null;
  /** Ids of all trusted keys that verify it; empty unless verified. */
  readonly trustedKeys: readonly string[];
  readonly rejection: Rejection | null;
}

/**
 * Checks one layer of a `.sig` manifest: the payload must state this subject and the signature must be one of the
 * payload's bytes by a trusted key.
 */
export function checkLegacySignature(input: {
  readonly subject: Digest;
  readonly mediaType: string;
  readonly payload: Uint8Array;
  /** Base64 of the layer's annotation; null when it has none. */
  readonly signature: string | null;
  readonly trustedKeys: readonly TrustedPublicKey[];
}): SignatureCheck {
  let statement: SimpleSigning | null = null;
  try {
    if (input.mediaType !== SIMPLE_SIGNING_MEDIA_TYPE) {
      throw new SignatureRejected(
        'layer-type',
        `a layer of the type "${input.mediaType.slice(0, 80)}" is no signature: expected ${SIMPLE_SIGNING_MEDIA_TYPE}`,
      );
    }
    statement = parseSimpleSigning(input.payload);
    if (statement.digest !== input.subject) throw otherDigest(statement.digest);
    const signature = readLegacySignature(input.signature);
    return {
      format: 'cosign-legacy',
      signedDigest: statement.digest,
      predicateType: null,
      trustedKeys: verifyingKeys(input.trustedKeys, input.payload, signature, null),
      rejection: null,
    };
  } catch (error) {
    return { ...rejectedCheck('cosign-legacy', error), signedDigest: statement?.digest ?? null };
  }
}

/**
 * Checks one v0.3 bundle: an in-toto statement of the image-signature predicate about this subject, signed by a
 * trusted key. Statements with another predicate are attestations and never count as a signature.
 */
export function checkBundleSignature(input: {
  readonly subject: Digest;
  readonly bundle: Uint8Array;
  readonly trustedKeys: readonly TrustedPublicKey[];
}): SignatureCheck {
  let signedDigest: Digest | null = null;
  let predicateType: string | null = null;
  try {
    const envelope = parseBundle(input.bundle);
    if (envelope.payloadType !== IN_TOTO_PAYLOAD_TYPE) {
      throw new SignatureRejected(
        'payload-type',
        `the envelope holds "${envelope.payloadType.slice(0, 80)}", not ${IN_TOTO_PAYLOAD_TYPE}`,
      );
    }
    const statement = parseStatement(envelope.payload);
    predicateType = statement.predicateType.slice(0, 256);
    const isAboutSubject = namesDigest(statement, input.subject);
    signedDigest = isAboutSubject ? input.subject : firstDigest(statement);
    if (statement.predicateType !== IMAGE_SIGNATURE_PREDICATE) {
      throw new SignatureRejected(
        'attestation',
        `a statement of the type "${predicateType}" is an attestation, not an image signature`,
      );
    }
    if (!statement.isCurrent)
      throw new SignatureRejected('statement-malformed', 'an image signature is an in-toto Statement v1');
    if (!isAboutSubject) throw otherDigest(signedDigest);
    const message = preAuthEncoding(envelope.payloadType, envelope.payload);
    const trustedKeys = verifyingKeys(input.trustedKeys, message, envelope.signature, envelope.hint);
    return { format: 'sigstore-bundle', signedDigest, predicateType, trustedKeys, rejection: null };
  } catch (error) {
    return { ...rejectedCheck('sigstore-bundle', error), signedDigest, predicateType };
  }
}

/** The check of something that was refused before its statement could be read. Rethrows what is no rejection. */
export function rejectedCheck(format: SignatureCheck['format'], error: unknown): SignatureCheck {
  if (!(error instanceof SignatureRejected)) throw error;
  const rejection = { code: error.code, message: error.message };
  return { format, signedDigest: null, predicateType: null, trustedKeys: [], rejection };
}

/** The check as it is stored. `reason` starts with the code of the rejection. */
export function toSignatureEvidence(
  check: SignatureCheck,
  source: Digest,
  checkedAt: string,
): SignatureEvidence {
  const { format, signedDigest, predicateType, trustedKeys, rejection } = check;
  return {
    kind: 'signature',
    format,
    source,
    signedDigest,
    verified: rejection === null,
    trustedKeys,
    predicateType,
    reason: rejection === null ? null : `${rejection.code}: ${rejection.message}`,
    checkedAt,
  };
}

function readLegacySignature(text: string | null): Buffer {
  if (text === null || text === '')
    throw new SignatureRejected('signature-missing', 'the layer carries no signature annotation');
  const signature = decodeBase64(text);
  if (signature === null)
    throw new SignatureRejected('signature-encoding', 'the signature annotation is not standard base64');
  return signature;
}

/** All trusted keys that verify the signature. @throws SignatureRejected when there is none */
function verifyingKeys(
  trusted: readonly TrustedPublicKey[],
  message: Uint8Array,
  signature: Uint8Array,
  hint: string | null,
): readonly string[] {
  if (trusted.length === 0)
    throw new SignatureRejected('no-trusted-keys', 'no key is trusted for this repository');
  const verifying = trusted.filter(({ key }) => verifyBytes(key, message, signature)).map(({ id }) => id);
  if (verifying.length > 0) return verifying;
  if (hint !== null && trusted.some(({ key }) => keyHint(key) === hint)) {
    throw new SignatureRejected(
      'wrong-signature',
      'the signature is not one of these bytes by the trusted key that the bundle names',
    );
  }
  throw new SignatureRejected(
    'untrusted-key',
    'no key that is trusted for this repository made this signature',
  );
}

function otherDigest(digest: Digest | null): SignatureRejected {
  const named = digest ?? 'none of an algorithm that is read here';
  return new SignatureRejected('other-digest', `it was made for another digest (${named})`);
}
