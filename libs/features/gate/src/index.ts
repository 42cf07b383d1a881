export { checkPolicy, parsePolicy } from './document/parse-policy.ts';
export { Policies, type PolicyAuthor } from './policies.ts';
export { VerdictEvents } from './verdict-events.ts';
export { verdictJobs } from './verdict-jobs.ts';
export {
  EVALUATE_JOB,
  SWEEP_JOB,
  type VerdictDifference,
  type VerdictExplanation,
  Verdicts,
} from './verdicts.ts';
