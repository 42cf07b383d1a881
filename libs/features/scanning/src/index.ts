export { AdvisoryImporter } from './advisory-importer.ts';
export { AdvisoryRematcher } from './advisory-rematcher.ts';
export { AdvisoryUploads, IMPORT_JOB, type ImportRequest } from './advisory-uploads.ts';
export { ArtifactScanner, type ScanRequest, type ScanSummary } from './artifact-scanner.ts';
export type { Checkpoint, ScanCheckpoint, WorkContext } from './context.ts';
export { AdvisoryError, type AdvisoryErrorCode } from './errors.ts';
export { ImageMatcher } from './image-matcher.ts';
export { Sboms } from './sboms.ts';
