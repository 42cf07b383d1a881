export { ApiModule } from './api.module.ts';
export type { ApiDependencies } from './api-dependencies.ts';
export type { Locator, Location } from './access/locators.ts';
export { type ApiOptions, createApi } from './create-api.ts';
export {
  type ApiConfig,
  apiPart,
  apiPartSettings,
  apiSettings,
  prepareInstallation,
  startApi,
} from './process.ts';
