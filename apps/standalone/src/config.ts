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
  uploadSettings,
} from '@sluice/platform';

export const standaloneSettings = {
  ...processSettings,
  ...listenSettings,
  ...clientSettings,
  ...stateSettings,
  ...identitySettings,
  ...adminSettings,
  ...uploadSettings,
  ...gateSettings,
  ...scannerSettings,
};

/** Settings of the whole platform in one process. */
export type StandaloneConfig = ConfigOf<typeof standaloneSettings>;
