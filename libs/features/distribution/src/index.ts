export { type BlobSettings, BlobService, type PulledBlob } from './blob-service.ts';
export { type Judge, JudgedReads } from './judged-reads.ts';
export {
  type ManifestHead,
  ManifestService,
  type ManifestSettings,
  type PulledManifest,
  type PushedManifest,
  TAGS_PER_PUSH_MAX,
} from './manifest-service.ts';
export { type GateSettings, type Judged, PullDenied, PullGate, VerdictPending } from './pull-gate.ts';
export { CredentialsRevoked, principalIdOf, type PullRequest } from './request.ts';
export { StatementCheck } from './statement-check.ts';
export { type Chunk, UploadOutOfOrder, type UploadStatus } from './upload-chunk.ts';
export { UploadService, type UploadSettings } from './upload-service.ts';
export { type SweepResult, UploadSweep } from './upload-sweep.ts';
