import { type Digest, digestAlgorithm, digestHex, isDigest } from '../oci/digest.ts';
import { type JsonObject, JsonShape } from './json-shape.ts';
import { LIMITS } from './limits.ts';

export const IN_TOTO_PAYLOAD_TYPE = 'application/vnd.in-toto+json';

/** The predicate type by which cosign says "this image is signed"; every other one is an attestation. */
export const IMAGE_SIGNATURE_PREDICATE = 'https://sigstore.dev/cosign/sign/v1';

const STATEMENT_TYPE = 'https://in-toto.io/Statement/v1';
/** cosign still writes attestations of unknown predicate types in the version before. */
const OLD_STATEMENT_TYPE = 'https://in-toto.io/Statement/v0.1';

/** An in-toto statement, without its predicate. */
export interface Statement {
  /** Whether it is a Statement v1, which image signatures are. */
  readonly isCurrent: boolean;
  readonly predicateType: string;
  /** Digests by algorithm, one entry a subject. */
  readonly subjects: readonly Readonly<Record<string, string>>[];
}

/** What DSSE signs instead of the payload alone ("PAE", DSSE v1 protocol). */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Buffer {
  const header = `DSSEv1 ${Buffer.byteLength(payloadType)} ${payloadType} ${payload.byteLength} `;
  return Buffer.concat([Buffer.from(header), payload]);
}

/** The statement by which cosign 3 signs an image. */
export function buildImageStatement(digest: Digest): Buffer {
  return Buffer.from(
    JSON.stringify({
      _type: STATEMENT_TYPE,
      subject: [{ digest: { [digestAlgorithm(digest)]: digestHex(digest) }, annotations: {} }],
      predicateType: IMAGE_SIGNATURE_PREDICATE,
      predicate: {},
    }),
  );
}

/**
 * Parses a Statement v1 or v0.1. The predicate itself may be absent: cosign 3.0.0 to 3.0.4 wrote none.
 *
 * @throws SignatureRejected content-too-large, limit, statement-malformed
 */
export function parseStatement(bytes: Uint8Array): Statement {
  const shape = new JsonShape('statement-malformed', 'in-toto statement');
  const root = shape.parse(bytes, LIMITS.bundleBytes);
  const type = shape.string(root['_type'], '_type');
  if (type !== STATEMENT_TYPE && type !== OLD_STATEMENT_TYPE) shape.fail(`_type must be ${STATEMENT_TYPE}`);
  const entries = shape.array(root['subject'], 'subject', LIMITS.subjects);
  if (entries.length === 0) shape.fail('subject must name at least one');
  if (root['predicate'] !== undefined && root['predicate'] !== null)
    shape.object(root['predicate'], 'predicate');
  return {
    isCurrent: type === STATEMENT_TYPE,
    predicateType: shape.string(root['predicateType'], 'predicateType'),
    subjects: entries.map((entry, index) =>
      readDigests(shape, shape.object(entry, `subject[${index}]`), index),
    ),
  };
}

/** Whether one of the statement's subjects is the digest. Hex is compared exactly: it is lower case by definition. */
export function namesDigest(statement: Statement, digest: Digest): boolean {
  const algorithm = digestAlgorithm(digest);
  return statement.subjects.some(
    (subject) => Object.hasOwn(subject, algorithm) && subject[algorithm] === digestHex(digest),
  );
}

/** The first subject that is a digest of ours, for the record; null when none is. */
export function firstDigest(statement: Statement): Digest | null {
  for (const subject of statement.subjects) {
    for (const algorithm of ['sha256', 'sha512']) {
      const digest = `${algorithm}:${Object.hasOwn(subject, algorithm) ? (subject[algorithm] ?? '') : ''}`;
      if (isDigest(digest)) return digest;
    }
  }
  return null;
}

function readDigests(shape: JsonShape, subject: JsonObject, index: number): Record<string, string> {
  const path = `subject[${index}].digest`;
  const entries = shape.array(
    Object.entries(shape.object(subject['digest'], path)),
    path,
    LIMITS.digestsPerSubject,
  ) as readonly [string, unknown][];
  return Object.fromEntries(entries.map(([name, value]) => [name, shape.string(value, path)]));
}
