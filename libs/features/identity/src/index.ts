export { AccessControl, type AccessAnswer, type RepositoryRights } from './access-control.ts';
export { ANONYMOUS, Authentication, type AuthenticationParts } from './authentication.ts';
export { LoginThrottle, type ThrottleOptions } from './login-throttle.ts';
export { Passwords } from './passwords.ts';
export { type IssuedToken, RegistryTokens, TokenKeys, type TokenSettings } from './registry-tokens.ts';
export { SecretHasher } from './secret-hasher.ts';
export { WorkloadIdentity, type WorkloadSettings } from './workload-identity.ts';
export { KeyFile } from './key-file.ts';
