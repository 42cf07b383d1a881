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
export { type AttemptOutcome, type ClaimedJob, type Heartbeat, JobQueue } from './ports/job-queue.ts';
export { type NotificationHandler, Notifications } from './ports/notifications.ts';
export { Outbox, type RelayPass } from './ports/outbox.ts';
export type { StatementRunner } from './statement-runner.ts';
export { type Denial, DenialLog } from './ports/denial-log.ts';
export { VERDICT_CHANNEL, VerdictSignals, type VerdictWatch } from './ports/verdict-signals.ts';
