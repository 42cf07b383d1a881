export { createTestDatabase, type TestDatabase } from './test-database.ts';
export { type SeedArtifact, seedArtifact, type SeededArtifact, seedEvidence } from './seed-content.ts';
