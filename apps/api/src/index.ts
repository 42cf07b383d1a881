export {
  type ApiConfig,
  apiPart,
  apiPartSettings,
  apiSettings,
  prepareInstallation,
  startApi,
} from './process.ts';
