import { join } from 'node:path';
import { apiPart, prepareInstallation } from '@sluice/api';
import type { Logger } from '@sluice/platform';
import { registryPart } from '@sluice/registry';
import {
  Host,
  localUrl,
  openIdentity,
  openRuntime,
  type Runtime,
  type RunningProcess,
  prepareListening,
} from '@sluice/runtime';
import { scannerPart } from '@sluice/scanner';
import { signerPart } from '@sluice/signer';
import type { StandaloneConfig } from './config.ts';
import { DataDirectory } from './data-directory.ts';
import { welcome } from './welcome.ts';

/**
 * Starts the whole platform in one process: the parts of all apps on one port.
 *
 * @throws StartError when something outside keeps it from starting
 */
export async function startStandalone(given: StandaloneConfig, logger: Logger): Promise<RunningProcess> {
  const directory = await DataDirectory.claim(given.dataDir);
  const undo: (() => Promise<void> | void)[] = [() => directory.release()];
  try {
    const listening = await prepareListening(given);
    const publicUrl = listening.publicUrl ?? localUrl(listening);
    const config = { ...listening, publicUrl };
    const runtime = await openRuntime(config, logger, { own: directory, servesPulls: true });
    undo.push(() => runtime.close());
    // The embedded database has one process, so what still runs in its ledger died with an earlier one.
    if (config.databaseUrl === undefined) await runtime.stores.jobQueue.endLeases();
    const { parts, generatedPassword } = await wire(config, directory, runtime);
    const host = await Host.start(config, runtime, parts);
    logger.info({ event: 'process.ready', publicUrl }, 'Ready');
    return {
      greeting: welcome({ publicUrl, generatedPassword, dataDirectory: directory.path }),
      stop: async () => {
        await host.stop();
        for (const step of undo.toReversed()) await step();
      },
    };
  } catch (error) {
    for (const step of undo.toReversed()) await step();
    throw error;
  }
}

async function wire(
  config: StandaloneConfig & { readonly publicUrl: string },
  directory: DataDirectory,
  runtime: Runtime,
) {
  const identity = await openIdentity(
    {
      config,
      publicUrl: config.publicUrl,
      stores: runtime.stores,
      limits: runtime.limits,
      makesTokenKey: true,
    },
    config.tokenKeyFile ?? join(directory.keys, 'registry-tokens.json'),
  );
  const generatedPassword = await prepareInstallation(runtime, identity, config.adminPassword);
  const parts = [
    await registryPart(runtime, config, identity),
    scannerPart(runtime, config),
    signerPart(runtime),
    // Owns every path that is left.
    await apiPart(runtime, config, identity),
  ];
  return { parts, generatedPassword };
}
