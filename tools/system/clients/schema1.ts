/** A manifest of the format that Docker gave up; every registry of today refuses it. */
export const SCHEMA_1_TYPE = 'application/vnd.docker.distribution.manifest.v1+json';
export const SCHEMA_1 = JSON.stringify({
  schemaVersion: 1,
  name: 'app',
  tag: 'v1',
  architecture: 'amd64',
  fsLayers: [{ blobSum: 'sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4' }],
  history: [{ v1Compatibility: '{"id":"1","os":"linux"}' }],
});
