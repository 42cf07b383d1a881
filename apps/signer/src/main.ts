import { constants } from 'node:os';
import { runProcess, yieldToOthers } from '@sluice/runtime';
import { signerSettings, startSigner } from './process.ts';

// Whoever pushes or pulls waits for an answer; this work takes what the processor has left.
yieldToOthers(constants.priority.PRIORITY_BELOW_NORMAL);

await runProcess(signerSettings, startSigner);
