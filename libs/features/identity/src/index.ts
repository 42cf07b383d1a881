export { AccessControl, type AccessAnswer, type RepositoryRights } from './access-control.ts';
export { AccessTokens, type NewAccessToken } from './access-tokens.ts';
export { ANONYMOUS, Authentication, type AuthenticationParts } from './authentication.ts';
export { CiBindings } from './ci-bindings.ts';
export {
  createIdentity,
  type Identity,
  type IdentityOptions,
  type IdentityPorts,
} from './create-identity.ts';
export { KeyFile } from './key-file.ts';
export { LoginThrottle, type ThrottleOptions } from './login-throttle.ts';
export { Passwords } from './passwords.ts';
export { type IssuedToken, RegistryTokens, TokenKeys, type TokenSettings } from './registry-tokens.ts';
export { type IssuedSecret, type NewRobot, Robots } from './robots.ts';
export { SecretHasher } from './secret-hasher.ts';
export {
  TokenEndpoint,
  type TokenEndpointParts,
  type TokenRequest,
  TokenRequestError,
  type TokenRequestErrorCode,
  type TokenResponse,
} from './token-endpoint.ts';
export { type ExchangeRequest, type ExchangeResponse, TokenExchange } from './token-exchange.ts';
export { type NewUser, type UserChange, Users } from './users.ts';
export { WorkloadIdentity, type WorkloadSettings } from './workload-identity.ts';
