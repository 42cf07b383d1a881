export { type BlobStoreLocation } from './config/blob-store.ts';
export { ConfigError, type ConfigFault, type ConfigSources, loadConfig } from './config/load-config.ts';
export { type ConfigOf, environmentName, required, type Setting, type Settings } from './config/setting.ts';
export {
  adminSettings,
  blobSettings,
  clientSettings,
  databaseSettings,
  gateSettings,
  identitySettings,
  listenSettings,
  processSettings,
  scannerSettings,
  stateSettings,
  uploadSettings,
} from './config/settings.ts';
export { EVERY_SETTING } from './config/every-setting.ts';
export { Health, type Readiness, type ReadinessCheck } from './health.ts';
export { type BodyPatience, limitBodies, readsItsBody } from './http-bodies.ts';
export { observeRequests, registerOperations } from './http-operations.ts';
export { createLogger, type Logger, redactUrl } from './logging.ts';
export { Metrics } from './metrics.ts';
