import { runProcess } from '@sluice/runtime';
import { apiSettings, startApi } from './process.ts';

await runProcess(apiSettings, startApi);
