export type { EventPayloads, EventType, OutboxEvent } from './events.ts';
export { newId } from './ids.ts';
export {
  type Job,
  type JobFilter,
  JobLedger,
  type JobPage,
  type JobProgress,
  type JobRequest,
  type JobState,
} from './ports/job-ledger.ts';
export { type DispatchedJob, JobDispatch } from './ports/job-dispatch.ts';
export { type AttemptOutcome, type ClaimedJob, type Heartbeat, JobQueue } from './ports/job-queue.ts';
export { type NotificationHandler, Notifications } from './ports/notifications.ts';
export { type Forgotten, ReadCoherence } from './ports/read-coherence.ts';
export { Outbox, type RelayPass } from './ports/outbox.ts';
export type { StatementRunner } from './statement-runner.ts';
export { type Denial, DenialLog } from './ports/denial-log.ts';
export { VERDICT_CHANNEL, VerdictSignals, type VerdictWatch } from './ports/verdict-signals.ts';
export { type AuditActor, type AuditEvent, AuditLog } from './ports/audit-log.ts';
export {
  type CiBindingQuery,
  type CiBindingRecord,
  CiBindingStore,
  type NewCiBinding,
} from './ports/ci-binding-store.ts';
export { type GrantQuery, type GrantRecord, GrantStore } from './ports/grant-store.ts';
export {
  type AccessContext,
  type BlobDownloads,
  type NodeQuery,
  type NodeReader,
  type MissingBlobs,
  type NodeChanges,
  type NodeRecord,
  NodeStore,
  type NodeTarget,
} from './ports/node-store.ts';
export {
  type NewPrincipal,
  type PrincipalChange,
  type PrincipalQuery,
  type PrincipalRecord,
  PrincipalStore,
} from './ports/principal-store.ts';
export { type NewSecret, type SecretQuery, type SecretRecord, SecretStore } from './ports/secret-store.ts';
export { type SeenToken, SeenTokens } from './ports/seen-tokens.ts';
export {
  type ArtifactQuery,
  type ArtifactRecord,
  type CatalogPlace,
  type CatalogReader,
  CatalogStore,
  type ChildRecord,
  type EvidenceEntry,
  type RepositoryQuery,
  type RepositoryRecord,
  type VerdictRecord,
} from './ports/catalog-store.ts';
export {
  type EvidenceItem,
  EvidenceStore,
  type EvidenceSubject,
  type StoredEvidence,
} from './ports/evidence-store.ts';
export { type AuditQuery, AuditTrail } from './ports/audit-trail.ts';
export { DenialList, type DenialQuery, type DenialRecord } from './ports/denial-list.ts';
export { BlobLinks } from './ports/blob-links.ts';
export type { Checkpoint, CheckpointName } from './ports/checkpoint.ts';
export { ManifestWrites, type NewManifest, type StoredPush } from './ports/manifest-writes.ts';
export {
  type BlobLookup,
  type ManifestLookup,
  type Referrer,
  type ReferrersPage,
  type ReferrersQuery,
  RegistryReads,
  type StoredBlob,
  type StoredManifest,
} from './ports/registry-reads.ts';
export {
  type AcquiredSession,
  type AcquireOptions,
  type FinishedUpload,
  type NewUploadSession,
  type UploadProgress,
  type UploadSession,
  type UploadWriter,
  UploadSessions,
} from './ports/upload-sessions.ts';
export {
  type BlobLocation,
  type SignatureManifest,
  SignatureStore,
  type SignedSubject,
} from './ports/signature-store.ts';
export {
  type NewTrustedKey,
  type TrustedKeyQuery,
  type TrustedKeyRecord,
  TrustedKeyStore,
} from './ports/trusted-key-store.ts';
export {
  type NewPolicy,
  type PolicyQuery,
  type PolicyRecord,
  PolicyStore,
  type PolicyVersion,
} from './ports/policy-store.ts';
export {
  type FullVerdict,
  type VerdictInputs,
  type VerdictScope,
  VerdictStore,
} from './ports/verdict-store.ts';
export {
  type AdvisoryEntry,
  type AdvisoryImport,
  type AdvisorySource,
  type AdvisoryStatus,
  AdvisoryStore,
  type ImportedFile,
} from './ports/advisory-store.ts';
export {
  InventoryStore,
  type MatchFunction,
  type MatchOutcome,
  type MatchRequest,
  type ScanTarget,
  type TargetBlob,
} from './ports/inventory-store.ts';
export { type JobFigures, JobStatistics } from './ports/job-statistics.ts';
export { type KeyDomainAssignment, KeyDomains } from './ports/key-domains.ts';
export {
  type KeyUsage,
  type ObjectKeyEnvelope,
  ObjectKeyEnvelopes,
  type Rewrapped,
  type WrappedObjectKey,
} from './ports/object-key-envelopes.ts';
