import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { sealKeyFile } from '@sluice/domain/signature';

/** The two files of a key pair, as `cosign generate-key-pair` makes them. */
export interface KeyPairFiles {
  /** `cosign.key`: encrypted with the password. */
  readonly privateKey: string;
  /** `cosign.pub` */
  readonly publicKey: string;
}

/** A new ECDSA P-256 key pair, the kind that every verifier of cosign signatures reads. */
export async function generateKeyPair(password: string): Promise<KeyPairFiles> {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const randomness = { salt: randomBytes(32), nonce: randomBytes(24) };
  return {
    privateKey: await sealKeyFile(pair.privateKey, password, randomness),
    publicKey: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}
