export { basic, BY, PUBLIC_URL, RecordingAuditLog, SERVICE, TestIdentity } from './test-identity.ts';
