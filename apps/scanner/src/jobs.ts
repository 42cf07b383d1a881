import { type JobHandler, PermanentJobError } from '@sluice/jobs';
import {
  AdvisoryError,
  type AdvisoryRematcher,
  type AdvisoryUploads,
  type ArtifactScanner,
  IMPORT_JOB,
  type ScanSummary,
} from '@sluice/scanning';

export interface ScannerJobsDependencies {
  readonly scanner: ArtifactScanner;
  readonly rematcher: AdvisoryRematcher;
  readonly uploads: AdvisoryUploads;
  /** Told of every finished scan, e.g. for the log. */
  readonly onScanned?: (digest: string, summary: ScanSummary) => void;
}

/** Handlers of the scanner's jobs, by kind. */
export function scannerJobs({
  scanner,
  rematcher,
  uploads,
  onScanned = () => undefined,
}: ScannerJobsDependencies): Record<string, JobHandler> {
  return {
    'scan.artifact': async (payload, context) => {
      const { digest, manifestId, repositoryId } = texts(payload, ['digest', 'manifestId', 'repositoryId']);
      const summary = await scanner.scan({ digest, manifestId, repositoryId }, context);
      if (summary !== null) onScanned(digest, summary);
    },
    'advisories.rematch': async (_payload, context) => {
      await rematcher.rematch(context);
    },
    [IMPORT_JOB]: async (payload, context) => {
      const request = texts(payload, ['objectKey', 'name']);
      try {
        await uploads.run(request, context);
      } catch (error) {
        if (!(error instanceof AdvisoryError)) throw error;
        await uploads.discard(request);
        throw new PermanentJobError(error.message, { cause: error });
      }
    },
  };
}

function texts<Name extends string>(payload: unknown, names: readonly Name[]): Record<Name, string> {
  const fields = typeof payload === 'object' && payload !== null ? (payload as Record<string, unknown>) : {};
  const entries = names.map((name) => {
    const value = fields[name];
    if (typeof value !== 'string') throw new PermanentJobError(`the payload has no text "${name}"`);
    return [name, value];
  });
  return Object.fromEntries(entries) as Record<Name, string>;
}
