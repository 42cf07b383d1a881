import type { KeyEncryptionKeys } from '@sluice/blob-storage';
import type { ObjectKeyEnvelopes } from '@sluice/database';
import type { JobHandler } from '@sluice/jobs';
import { DataKeyRewrapper, REWRAP_JOB } from '@sluice/storage-keys';

/** The job that rotates storage keys. Without keys it is left to a process that has them. */
export function storageJobs(
  envelopes: ObjectKeyEnvelopes,
  keys: KeyEncryptionKeys | null,
): Readonly<Record<string, JobHandler>> {
  if (keys === null) return {};
  const rewrapper = new DataKeyRewrapper(envelopes, keys);
  return {
    [REWRAP_JOB]: async (_payload, context) => {
      await rewrapper.rewrap(context);
    },
  };
}
