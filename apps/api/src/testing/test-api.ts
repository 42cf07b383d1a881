import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KeyEncryptionKeys } from '@sluice/blob-storage';
import { MemoryBlobStorage } from '@sluice/blob-storage/memory';
import { type AuditEvent, AuditLog } from '@sluice/database';
import {
  PostgresAdvisoryStore,
  PostgresAuditTrail,
  PostgresCatalogStore,
  PostgresCiBindingStore,
  PostgresDenialList,
  PostgresGrantStore,
  PostgresInventoryStore,
  PostgresJobLedger,
  PostgresJobStatistics,
  PostgresKeyDomains,
  PostgresNodeStore,
  PostgresNotifications,
  PostgresObjectKeyEnvelopes,
  PostgresPolicyStore,
  PostgresPrincipalStore,
  PostgresReadCoherence,
  PostgresSecretStore,
  PostgresSeenTokens,
  PostgresTrustedKeyStore,
  PostgresVerdictSignals,
  PostgresVerdictStore,
} from '@sluice/database/postgres';
import { Catalog } from '@sluice/catalog';
import { createTestDatabase, type TestDatabase } from '@sluice/database/testing';
import { Policies, Verdicts } from '@sluice/gate';
import { JwksIssuerKeys } from '@sluice/gitlab-client/jwks';
import { createIdentity, type Identity, KeyFile, Passwords } from '@sluice/identity';
import { Health } from '@sluice/platform';
import type { RateLimiter } from '@sluice/rate-limits';
import { Members, Projects } from '@sluice/projects';
import { AdvisoryImporter, AdvisoryUploads, Sboms } from '@sluice/scanning';
import { TrustedKeys } from '@sluice/signing';
import { StorageKeys } from '@sluice/storage-keys';
import type { FastifyInstance } from 'fastify';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { GateFreshness } from '../content/gate-freshness.ts';
import { createApi } from '../create-api.ts';

export class RecordingAuditLog extends AuditLog {
  readonly events: AuditEvent[] = [];

  async record(event: AuditEvent): Promise<void> {
    this.events.push(event);
  }
}

export const TEST_URL = 'http://sluice.test';

export interface TestApi extends AsyncDisposable {
  readonly app: NestFastifyApplication;
  readonly database: TestDatabase;
  readonly audit: RecordingAuditLog;
  readonly identity: Identity;
  readonly blobs: MemoryBlobStorage;
}

/** The API with its real features on a database of its own; the audit log is kept in memory. */
export async function createTestApi(
  options: {
    gitlabIssuers?: readonly string[];
    server?: FastifyInstance;
    storageKeys?: KeyEncryptionKeys;
    limits?: RateLimiter;
  } = {},
): Promise<TestApi> {
  const database = await createTestDatabase();
  const directory = await mkdtemp(join(tmpdir(), 'sluice-api-'));
  const audit = new RecordingAuditLog();
  const principals = new PostgresPrincipalStore(database.source);
  const nodes = new PostgresNodeStore(database.source);
  const grants = new PostgresGrantStore(database.source);
  const gitlabIssuers = options.gitlabIssuers ?? [];
  const identity = createIdentity(
    {
      principals,
      nodes,
      grants,
      secrets: new PostgresSecretStore(database.source),
      ciBindings: new PostgresCiBindingStore(database.source),
      seenTokens: new PostgresSeenTokens(database.source),
      audit,
      tokenKeys: await KeyFile.open(join(directory, 'token-keys.json')),
      issuerKeys: new JwksIssuerKeys(gitlabIssuers.map((issuer) => ({ issuer }))),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
    },
    { publicUrl: TEST_URL, service: 'sluice.test', gitlabIssuers },
  );
  await principals.create({
    kind: 'user',
    name: 'admin',
    isAdmin: true,
    passwordHash: await new Passwords().hash('admin-password'),
  });
  const notifications = new PostgresNotifications({ url: database.url });
  const signals = await PostgresVerdictSignals.open(notifications);
  const jobs = new PostgresJobLedger(database.source);
  const advisories = new PostgresAdvisoryStore(database.source);
  const blobs = new MemoryBlobStorage();
  const freshness = new GateFreshness(new Verdicts(new PostgresVerdictStore(database.source), jobs));
  const app = await createApi(
    {
      ...identity,
      coherence: await PostgresReadCoherence.open(database.source, notifications, {
        isReader: false,
        onError: () => undefined,
      }),
      members: new Members(grants, audit),
      projects: new Projects(nodes, audit),
      catalog: new Catalog(new PostgresCatalogStore(database.source), signals, freshness),
      advisories,
      advisoryUploads: new AdvisoryUploads(blobs, jobs, new AdvisoryImporter(advisories)),
      health: new Health(),
      jobStatistics: new PostgresJobStatistics(database.source),
      storageKeys: new StorageKeys(
        new PostgresObjectKeyEnvelopes(database.source),
        new PostgresKeyDomains(database.source),
        jobs,
        audit,
        options.storageKeys ?? null,
      ),
      sboms: new Sboms(new PostgresInventoryStore(database.source)),
      version: '0.0.0',
      auditTrail: new PostgresAuditTrail(database.source),
      policies: new Policies(new PostgresPolicyStore(database.source), audit),
      denials: new PostgresDenialList(database.source),
      jobs,
      trustedKeys: new TrustedKeys(new PostgresTrustedKeyStore(database.source), audit),
      publicUrl: TEST_URL,
      locators: {},
    },
    options.server === undefined ? {} : { server: options.server },
  );
  return {
    app,
    database,
    audit,
    identity,
    blobs,
    async [Symbol.asyncDispose]() {
      await app.close();
      await notifications.close();
      await database.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

export function basic(userName: string, password: string): string {
  return `Basic ${Buffer.from(`${userName}:${password}`).toString('base64')}`;
}
