export { BullDispatcher, type BullDispatcherOptions, type BullPorts } from './bull-dispatcher.ts';
export type { JobRateLimit } from './messages.ts';
