import {
  adminSettings,
  clientSettings,
  type ConfigOf,
  gateSettings,
  identitySettings,
  listenSettings,
  processSettings,
  scannerSettings,
  stateSettings,
} from '@sluice/platform';

export const standaloneSettings = {
  ...processSettings,
  ...listenSettings,
  ...clientSettings,
  ...stateSettings,
  ...identitySettings,
  ...adminSettings,
  ...gateSettings,
  ...scannerSettings,
};

/** Settings of the whole platform in one process. */
export type StandaloneConfig = ConfigOf<typeof standaloneSettings>;
