import { existsSync } from 'node:fs';
import { JwksIssuerKeys } from '@sluice/gitlab-client/jwks';
import { createIdentity, type Identity, KeyFile } from '@sluice/identity';
import type { ConfigOf, identitySettings } from '@sluice/platform';
import { StartError } from './start-error.ts';
import type { Limits } from './limits.ts';
import type { Stores } from './stores.ts';

export interface IdentityParts {
  readonly config: ConfigOf<typeof identitySettings>;
  readonly publicUrl: string;
  readonly stores: Stores;
  /** Null for none. */
  readonly limits: Limits | null;
  /** Makes the key of registry tokens when there is none. Replicas share one, which somebody made before them. */
  readonly makesTokenKey: boolean;
}

/** Who is who: the same in every process that reads credentials. */
export async function openIdentity(
  { config, publicUrl, stores, limits, makesTokenKey }: IdentityParts,
  tokenKeyFile: string,
): Promise<Identity> {
  if (!makesTokenKey && !existsSync(tokenKeyFile)) {
    throw new StartError(
      `SLUICE_TOKEN_KEY_FILE ${tokenKeyFile} does not exist: make it once, for all replicas, with ` +
        '`openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out <file>`',
    );
  }
  const issuers = config.gitlabUrl.map((issuer) => ({
    issuer,
    ...(config.gitlabJwksFile === undefined ? {} : { jwksFile: config.gitlabJwksFile }),
  }));
  return createIdentity(
    {
      nodes: stores.nodes,
      principals: stores.principals,
      grants: stores.grants,
      secrets: stores.secrets,
      ciBindings: stores.ciBindings,
      seenTokens: stores.seenTokens,
      audit: stores.audit,
      tokenKeys: await openTokenKeys(tokenKeyFile),
      issuerKeys: new JwksIssuerKeys(issuers),
      coherence: stores.coherence,
      ...(limits === null ? {} : { limits: limits.requests }),
      ...(limits === null || limits.failures === null ? {} : { failures: limits.failures }),
    },
    { publicUrl, service: new URL(publicUrl).host, gitlabIssuers: config.gitlabUrl },
  );
}

async function openTokenKeys(path: string): Promise<KeyFile> {
  try {
    return await KeyFile.open(path);
  } catch (cause) {
    throw new StartError(
      `the key of registry tokens cannot be used: ${(cause as Error).message}`,
      undefined,
      {
        cause,
      },
    );
  }
}
