export { signerPart, signerSettings, startSigner } from './process.ts';
export { type SignerDependencies, signerJobs } from './signer-jobs.ts';
