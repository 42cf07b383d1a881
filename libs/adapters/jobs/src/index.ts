export {
  type Job,
  type JobFilter,
  JobLedger,
  type JobPage,
  type JobProgress,
  type JobRequest,
  type JobState,
} from '@sluice/database';
export { type BackOff, DEFAULT_BACK_OFF, backOffSeconds } from './back-off.ts';
export {
  Dispatcher,
  type DispatcherOptions,
  type JobContext,
  type JobHandler,
  PermanentJobError,
} from './dispatcher.ts';
export { type EventSubscriber, OutboxRelay, type OutboxRelayOptions } from './outbox-relay.ts';
