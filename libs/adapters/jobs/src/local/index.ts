export { JobAborted } from '../running/attempt.ts';
export { LocalDispatcher, type LocalDispatcherOptions } from './local-dispatcher.ts';
