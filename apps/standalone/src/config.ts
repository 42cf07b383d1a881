import {
  type ConfigOf,
  gateSettings,
  identitySettings,
  serverSettings,
  stateSettings,
} from '@sluice/platform';

export const standaloneSettings = {
  ...serverSettings,
  ...stateSettings,
  ...identitySettings,
  ...gateSettings,
};

/** Settings of the whole platform in one process. */
export type StandaloneConfig = ConfigOf<typeof standaloneSettings>;
