import { randomBytes } from 'node:crypto';
import { connect, type TLSSocket } from 'node:tls';

const KEY = randomBytes(16);
const BOTH = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const;

/** What a server needs for TLS with clients that share a key with it: no certificate. */
export const SHARED_KEY_TLS = { ...BOTH, pskCallback: () => KEY };

export function connectTls(port: number): TLSSocket {
  return connect({
    ...BOTH,
    port,
    pskCallback: () => ({ psk: KEY, identity: 'client' }),
    checkServerIdentity: () => undefined,
  });
}
