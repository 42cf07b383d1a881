export { type Blobs, type BlobsConfig, openBlobs } from './blobs.ts';
export { loadProcessConfig } from './config.ts';
export { type Checkpoint, checkpointFor } from './fault-points.ts';
export { type JobParts, type JobWork, reportTo, startJobs } from './job-workers.ts';
export { runProcess, type RunningProcess } from './run-process.ts';
export { EXIT, StartError } from './start-error.ts';
export { openState, type State, type StateOptions } from './state.ts';
export { openStores, type Stores } from './stores.ts';
