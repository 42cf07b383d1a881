export { type DispatcherHarness, describeDispatcher } from './dispatcher-contract.ts';
