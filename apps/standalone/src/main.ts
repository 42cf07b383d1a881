import { runProcess } from '@sluice/runtime';
import { standaloneSettings } from './config.ts';
import { Standalone } from './standalone.ts';

await runProcess(standaloneSettings, (config, logger) => Standalone.start(config, logger));
