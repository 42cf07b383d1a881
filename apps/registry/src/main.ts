import { runProcess } from '@sluice/runtime';
import { registrySettings, startRegistry } from './process.ts';

await runProcess(registrySettings, startRegistry);
