import type { TrustedKeyRecord } from '@sluice/database';
import { z } from 'zod';
import { encodeId } from '../http/ids.ts';
import { pageParameters } from '../http/paging.ts';
import { searchWord } from '../http/validation.ts';

const node = searchWord();

export const createTrustedKeyBody = z.strictObject({
  /** Path of the group or project for which the key counts, with everything below it. */
  node,
  name: z.string({ error: 'expected a name' }),
  /** A public key in PEM. */
  pem: z.string({ error: 'expected a public key in PEM' }).max(16_384, 'expected a public key in PEM'),
});

export const listTrustedKeysQuery = z.strictObject({ ...pageParameters, node: node.optional() });

export interface TrustedKeyView {
  readonly id: string;
  /** Path of the group or project. */
  readonly node: string;
  readonly name: string;
  readonly algorithm: string;
  /** Hex SHA-256 of the key (SubjectPublicKeyInfo). */
  readonly fingerprint: string;
  readonly pem: string;
  readonly createdBy: string;
  readonly createdAt: string;
}

export function presentTrustedKey(key: TrustedKeyRecord): TrustedKeyView {
  return {
    id: encodeId('trustedKey', key.id),
    node: key.nodePath,
    name: key.name,
    algorithm: key.algorithm,
    fingerprint: key.keyId,
    pem: key.pem,
    createdBy: key.createdBy,
    createdAt: key.createdAt.toISOString(),
  };
}
