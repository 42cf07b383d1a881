import { runProcess } from '@sluice/runtime';
import { signerSettings, startSigner } from './process.ts';

await runProcess(signerSettings, startSigner);
