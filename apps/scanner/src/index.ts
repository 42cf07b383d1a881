export { type ScannerConfig, scannerPart } from './process.ts';
export { scannerJobs, type ScannerJobsDependencies } from './jobs.ts';
