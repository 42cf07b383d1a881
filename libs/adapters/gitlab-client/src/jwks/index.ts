export { type IssuerSource, JwksIssuerKeys, type JwksOptions } from './jwks-issuer-keys.ts';
