export { missingKeys } from './check-keys.ts';
export { DataKeyRewrapper, type RewrapContext } from './data-key-rewrapper.ts';
export { StorageKeyError, type StorageKeyErrorCode } from './errors.ts';
export { REWRAP_JOB, type StorageKey, type StorageKeyReport, StorageKeys } from './storage-keys.ts';
