export { ApiModule } from './api.module.ts';
export type { ApiDependencies } from './api-dependencies.ts';
export type { Locator, Location } from './access/locators.ts';
export { GateFreshness } from './content/gate-freshness.ts';
export { type ApiOptions, createApi } from './create-api.ts';
