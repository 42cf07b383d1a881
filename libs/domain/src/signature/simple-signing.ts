import type { Digest } from '../oci/digest.ts';
import { SignatureRejected } from './errors.ts';
import { JsonShape } from './json-shape.ts';
import { LIMITS } from './limits.ts';

export const SIMPLE_SIGNING_MEDIA_TYPE = 'application/vnd.dev.cosign.simplesigning.v1+json';

/** `critical.type` of what cosign signs (cosign, SIGNATURE_SPEC). Other types are other statements. */
const PAYLOAD_TYPE = 'cosign container image signature';

/** What a legacy signature says: "this digest", and under which name it was signed. */
export interface SimpleSigning {
  readonly digest: Digest;
  /** The repository it was signed in, e.g. `registry.example/team/app`. Not a fact to rely on: images move. */
  readonly dockerReference: string;
}

/** The payload of a legacy signature, byte for byte as cosign writes it. */
export function buildSimpleSigning(statement: SimpleSigning): Buffer {
  return Buffer.from(
    JSON.stringify({
      critical: {
        identity: { 'docker-reference': statement.dockerReference },
        image: { 'docker-manifest-digest': statement.digest },
        type: PAYLOAD_TYPE,
      },
      optional: null,
    }),
  );
}

/** @throws SignatureRejected content-too-large, payload-malformed, payload-type */
export function parseSimpleSigning(bytes: Uint8Array): SimpleSigning {
  const shape = new JsonShape('payload-malformed', 'signature payload');
  const root = shape.parse(bytes, LIMITS.payloadBytes);
  const critical = shape.object(root['critical'], 'critical');
  const type = shape.string(critical['type'], 'critical.type');
  if (type !== PAYLOAD_TYPE) {
    throw new SignatureRejected(
      'payload-type',
      `the signature payload is of the type "${type.slice(0, 80)}", not "${PAYLOAD_TYPE}"`,
    );
  }
  const identity = shape.object(critical['identity'], 'critical.identity');
  const image = shape.object(critical['image'], 'critical.image');
  if (root['optional'] !== undefined && root['optional'] !== null) shape.object(root['optional'], 'optional');
  return {
    digest: shape.digest(image['docker-manifest-digest'], 'critical.image.docker-manifest-digest'),
    dockerReference: shape.string(identity['docker-reference'], 'critical.identity.docker-reference'),
  };
}
