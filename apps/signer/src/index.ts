export { type SignerDependencies, signerJobs } from './signer-jobs.ts';
