export type { Credentials } from './authenticator.ts';
export { parseDockerCredentials, readDockerCredentials } from './docker-credentials.ts';
export { RegistryClientError, type RegistryClientErrorCode } from './errors.ts';
export { type ImageReference, isLoopback, parseReference } from './reference.ts';
export { type Descriptor, INDEX_MEDIA_TYPE } from './referrers.ts';
export {
  type FetchedManifest,
  RegistryClient,
  type RegistryClientOptions,
  type RequestOptions,
} from './registry-client.ts';
