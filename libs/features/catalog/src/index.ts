export {
  Catalog,
  type ExplainedVerdict,
  type FindingsPage,
  type ImageScan,
  VERDICT_WAIT_MAX_SECONDS,
  VerdictFreshness,
} from './catalog.ts';
export { CatalogError, type CatalogErrorCode } from './errors.ts';
export { type FindingFilter, type ImageFinding, selectFindings } from './findings.ts';
export { type LocalReference, parseLocalReference } from './reference.ts';
