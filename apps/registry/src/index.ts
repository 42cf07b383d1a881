export {
  type RegistryConfig,
  registryPart,
  registryPartSettings,
  registrySettings,
  startRegistry,
} from './process.ts';
