import { runProcess } from '@sluice/runtime';
import { scannerProcessSettings, startScanner } from './process.ts';

await runProcess(scannerProcessSettings, startScanner);
