export { scannerJobs, type ScannerJobsDependencies } from './jobs.ts';
