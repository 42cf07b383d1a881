import { generateKeyPairSync, randomUUID, sign } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Action } from './registry.ts';

const TOKEN_SECONDS = 300;

/**
 * The token service of the peers, as far as a benchmark needs one: it signs what the bench asks for. The algorithm is
 * that of Sluice's own tokens, ES256, and the claims are those of the distribution token specification.
 */
export class TokenMint {
  readonly issuer = 'bench-issuer';
  readonly service = 'bench-service';
  readonly realm = 'http://127.0.0.1:1/token';
  readonly #key;
  readonly #kid = randomUUID();

  constructor() {
    this.#key = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  }

  /** Writes the public key as a JWK set, for distribution. */
  writeJwks(directory: string): string {
    const file = join(directory, 'jwks.json');
    const jwk = {
      ...this.#key.publicKey.export({ format: 'jwk' }),
      kid: this.#kid,
      use: 'sig',
      alg: 'ES256',
    };
    writeFileSync(file, JSON.stringify({ keys: [jwk] }));
    return file;
  }

  /** Writes the public key as PEM, for zot. */
  writePem(directory: string): string {
    const file = join(directory, 'token-key.pem');
    writeFileSync(file, this.#key.publicKey.export({ format: 'pem', type: 'spki' }));
    return file;
  }

  bearer(repositories: readonly string[], actions: readonly Action[]): string {
    const now = Math.floor(Date.now() / 1_000);
    const claims = {
      iss: this.issuer,
      aud: this.service,
      sub: 'bench',
      iat: now,
      nbf: now,
      exp: now + TOKEN_SECONDS,
      jti: randomUUID(),
      access: repositories.map((name) => ({ type: 'repository', name, actions })),
    };
    const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
    const signed = `${part({ alg: 'ES256', typ: 'JWT', kid: this.#kid })}.${part(claims)}`;
    const signature = sign('sha256', Buffer.from(signed), {
      key: this.#key.privateKey,
      dsaEncoding: 'ieee-p1363',
    });
    return `Bearer ${signed}.${signature.toString('base64url')}`;
  }
}
