import {
  PostgresAdvisoryStore,
  PostgresAuditLog,
  PostgresAuditTrail,
  PostgresBlobLinks,
  PostgresCatalogStore,
  PostgresCiBindingStore,
  PostgresDenialList,
  PostgresDenialLog,
  PostgresEvidenceStore,
  PostgresGrantStore,
  PostgresInventoryStore,
  PostgresJobDispatch,
  PostgresJobLedger,
  PostgresJobQueue,
  PostgresJobStatistics,
  PostgresManifestWrites,
  PostgresKeyDomains,
  PostgresNodeStore,
  PostgresObjectKeyEnvelopes,
  PostgresOutbox,
  PostgresPolicyStore,
  PostgresPrincipalStore,
  PostgresRegistryReads,
  PostgresSecretStore,
  PostgresSeenTokens,
  PostgresSignatureStore,
  PostgresTrustedKeyStore,
  PostgresUploadSessions,
  PostgresVerdictSignals,
  PostgresVerdictStore,
} from '@sluice/database/postgres';
import type { Logger } from '@sluice/platform';
import type { Checkpoint } from './fault-points.ts';
import type { State } from './state.ts';

/** Every store of the platform, on one database. */
export type Stores = Awaited<ReturnType<typeof openStores>>;

export async function openStores(
  { database, notifications, coherence, reads, writes }: State,
  logger: Logger,
  checkpoint: Checkpoint,
) {
  return {
    advisories: new PostgresAdvisoryStore(database),
    audit: new PostgresAuditLog(database),
    auditTrail: new PostgresAuditTrail(database),
    blobLinks: new PostgresBlobLinks(database, checkpoint),
    catalog: new PostgresCatalogStore(database),
    coherence,
    ciBindings: new PostgresCiBindingStore(database),
    denialList: new PostgresDenialList(database),
    denialLog: new PostgresDenialLog(database, {
      onError: (error) =>
        logger.error({ event: 'denial-log.failed', err: error }, 'Denials could not be written'),
    }),
    evidence: new PostgresEvidenceStore(database),
    grants: new PostgresGrantStore(database),
    inventories: new PostgresInventoryStore(database),
    jobDispatch: new PostgresJobDispatch(database),
    jobQueue: new PostgresJobQueue(database),
    jobs: new PostgresJobLedger(database),
    jobStatistics: new PostgresJobStatistics(database),
    manifestWrites: new PostgresManifestWrites(database, checkpoint),
    keyDomains: new PostgresKeyDomains(database),
    nodes: new PostgresNodeStore(database),
    objectKeyEnvelopes: new PostgresObjectKeyEnvelopes(database),
    outbox: new PostgresOutbox(database),
    policies: new PostgresPolicyStore(database),
    principals: new PostgresPrincipalStore(database),
    registryReads: new PostgresRegistryReads(database, reads),
    secrets: new PostgresSecretStore(database),
    seenTokens: new PostgresSeenTokens(database),
    signatures: new PostgresSignatureStore(database),
    trustedKeys: new PostgresTrustedKeyStore(database),
    uploadSessions: new PostgresUploadSessions(database, writes),
    verdictSignals: await PostgresVerdictSignals.open(notifications),
    verdicts: new PostgresVerdictStore(database),
  };
}
