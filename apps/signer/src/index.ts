export { signerPart, signerSettings, startSigner } from './process.ts';
