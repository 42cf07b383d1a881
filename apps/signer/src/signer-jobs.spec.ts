import type { SignedSubject } from '@sluice/database';
import { type JobContext, PermanentJobError } from '@sluice/jobs';
import type { VerificationResult } from '@sluice/signing';
import { describe, expect, it } from 'vitest';
import { signerJobs } from './signer-jobs.ts';

const SUBJECT = {
  repositoryId: '01900000-0000-7000-8000-000000000001',
  digest: `sha256:${'a'.repeat(64)}`,
};

function contextOf(attempt: number): JobContext {
  return { signal: new AbortController().signal, jobId: 'job', attempt, progress: () => {} };
}

function run(
  payload: unknown,
  attempt: number,
  missing = 0,
): { done: Promise<void>; calls: SignedSubject[] } {
  const calls: SignedSubject[] = [];
  const verifySubject = (subject: SignedSubject): Promise<VerificationResult> => {
    calls.push(subject);
    return Promise.resolve({ checked: 1, verified: 0, missing });
  };
  const sweep = { sweep: () => Promise.reject(new Error('not this one')) };
  const handler = signerJobs({ verifier: { verifySubject }, sweep })['signature.verify'];
  const context = contextOf(attempt);
  if (handler === undefined) throw new Error('no handler');
  return { done: handler(payload, context), calls };
}

describe('signature.verify', () => {
  it('verifies the subject of its payload', async () => {
    const { done, calls } = run(SUBJECT, 1);
    await done;
    expect(calls).toEqual([SUBJECT]);
  });

  it.each([null, 'x', {}, { ...SUBJECT, digest: 'sha256:00' }, { ...SUBJECT, repositoryId: '1; DROP' }])(
    'ends at once with the payload %j',
    async (payload) => {
      const { done, calls } = run(payload, 1);
      await expect(done).rejects.toBeInstanceOf(PermanentJobError);
      expect(calls).toEqual([]);
    },
  );

  it('is tried again while content is missing, and gives up after the third attempt', async () => {
    await expect(run(SUBJECT, 1, 1).done).rejects.toThrow(/not in the repository yet/);
    await expect(run(SUBJECT, 2, 1).done).rejects.toThrow();
    await expect(run(SUBJECT, 3, 1).done).resolves.toBeUndefined();
  });
});

describe('signature.sweep', () => {
  const swept: string[] = [];
  const handler = signerJobs({
    verifier: { verifySubject: () => Promise.reject(new Error('not this one')) },
    sweep: {
      sweep: async (nodeId) => {
        swept.push(nodeId);
      },
    },
  })['signature.sweep'];

  it('sweeps the node of its payload, and ends at once without one', async () => {
    await handler?.({ nodeId: SUBJECT.repositoryId }, contextOf(1));
    expect(swept).toEqual([SUBJECT.repositoryId]);
    for (const payload of [null, {}, { nodeId: 7 }, { nodeId: '1; DROP' }]) {
      await expect(handler?.(payload, contextOf(1))).rejects.toBeInstanceOf(PermanentJobError);
    }
    expect(swept).toHaveLength(1);
  });
});
