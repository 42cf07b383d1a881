import { runProcess } from '@sluice/runtime';
import { standaloneSettings } from './config.ts';
import { startStandalone } from './standalone.ts';

await runProcess(standaloneSettings, startStandalone);
