import type { VerdictScope } from '@sluice/database';
import { type JobHandler, PermanentJobError } from '@sluice/jobs';
import { z } from 'zod';
import { EVALUATE_JOB, SWEEP_JOB, type Verdicts } from './verdicts.ts';

const evaluatePayload = z.object({ manifestId: z.uuid() });
const sweepPayload: z.ZodType<VerdictScope> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('installation') }),
  z.object({ kind: z.literal('node'), nodeId: z.uuid() }),
  z.object({ kind: z.literal('no-data') }),
]);

/** The jobs that keep verdicts up to date, by kind. */
export function verdictJobs(verdicts: Verdicts): Readonly<Record<string, JobHandler>> {
  return {
    [EVALUATE_JOB]: async (payload) => {
      await verdicts.evaluateArtifact(parse(EVALUATE_JOB, evaluatePayload, payload).manifestId);
    },
    [SWEEP_JOB]: async (payload, { signal, progress }) => {
      await verdicts.sweep(parse(SWEEP_JOB, sweepPayload, payload), {
        signal,
        onProgress: (done) => progress(done, null, 'artifacts'),
      });
    },
  };
}

function parse<Payload>(kind: string, schema: z.ZodType<Payload>, payload: unknown): Payload {
  const result = schema.safeParse(payload);
  if (result.success) return result.data;
  throw new PermanentJobError(`the payload of ${kind} is malformed: ${z.prettifyError(result.error)}`);
}
