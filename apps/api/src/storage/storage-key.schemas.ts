import type { KeyDomainAssignment } from '@sluice/database';
import type { StorageKey, StorageKeyReport } from '@sluice/storage-keys';
import { z } from 'zod';
import { encodeId } from '../http/ids.ts';

export const assignKeyDomainBody = z.strictObject({
  path: z.string({ error: 'expected the path of a group or project' }).min(1).max(1_000),
  /** Null takes the domain back. */
  domain: z
    .string({ error: 'expected the name of a key domain, or null' })
    .min(1, 'expected the name of a key domain, or null')
    .max(63)
    .nullable(),
});

export interface StorageKeysView {
  /** Whether what is pushed from now on is encrypted. */
  readonly encrypts: boolean;
  readonly keys: readonly StorageKeyView[];
  readonly domains: readonly KeyDomainView[];
}

export interface StorageKeyView {
  readonly id: string;
  /** Null: of everybody who has no domain. */
  readonly domain: string | null;
  readonly state: StorageKey['state'];
  readonly objects: number;
  readonly uploads: number;
}

export interface KeyDomainView {
  readonly nodeId: string;
  readonly path: string;
  readonly domain: string;
}

export function presentStorageKeys({ encrypts, keys, domains }: StorageKeyReport): StorageKeysView {
  return {
    encrypts,
    keys: keys.map(({ id, domain, state, objects, uploads }) => ({
      id,
      domain: domain === '' ? null : domain,
      state,
      objects,
      uploads,
    })),
    domains: domains.map(presentKeyDomain),
  };
}

function presentKeyDomain({ nodeId, kind, path, domain }: KeyDomainAssignment): KeyDomainView {
  return { nodeId: encodeId(kind, nodeId), path, domain };
}
