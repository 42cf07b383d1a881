export { type DatabaseOptions, migrate, openDatabase } from './data-source.ts';
export { PostgresJobLedger } from './job-ledger.ts';
export { PostgresJobQueue } from './job-queue.ts';
export { insertJobs } from './job-writer.ts';
export { type NotificationOptions, PostgresNotifications } from './notifications.ts';
export { PostgresOutbox } from './outbox.ts';
export { queryRows } from './sql.ts';
export { writeEvent } from './outbox-writer.ts';
export { PostgresVerdictSignals } from './verdict-signals.ts';
