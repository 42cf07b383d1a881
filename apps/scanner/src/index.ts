export { type ScannerConfig, scannerPart, scannerProcessSettings, startScanner } from './process.ts';
export { scannerJobs, type ScannerJobsDependencies } from './jobs.ts';
