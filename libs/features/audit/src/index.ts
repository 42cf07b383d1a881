export { Audit, type AuditProof } from './audit.ts';
