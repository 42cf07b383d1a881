export { JobAborted } from './attempt.ts';
export { LocalDispatcher, type LocalDispatcherOptions } from './local-dispatcher.ts';
