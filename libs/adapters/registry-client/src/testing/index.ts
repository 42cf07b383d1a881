export {
  type FakeRegistry,
  type FakeRegistryOptions,
  type RecordedRequest,
  startFakeRegistry,
} from './fake-registry.ts';
