export {
  ISSUER_ALGORITHMS,
  type IssuerAlgorithm,
  IssuerKeys,
  IssuerKeysError,
  type IssuerKeysErrorCode,
} from './issuer-keys.ts';
