export { signerPart } from './process.ts';
export { type SignerDependencies, signerJobs } from './signer-jobs.ts';
