export { answerFrameworkError, registerDataPlane } from './data-plane.ts';
export {
  DEFAULT_PACE,
  type DataPlaneAccess,
  type DataPlaneAuthentication,
  type DataPlaneDependencies,
} from './dependencies.ts';
export { type ChallengeSettings, TOKEN_PATH } from './http/challenge.ts';
export type { BodyPace } from './http/request-body.ts';
export {
  createRegistryHandler,
  isRegistryPath,
  type RegistryHandler,
  type RegistryHandlerParts,
} from './server.ts';
export {
  type RegistryConfig,
  registryPart,
  registryPartSettings,
  registrySettings,
  startRegistry,
} from './process.ts';
export { registerTokenEndpoint } from './token-endpoint.ts';
