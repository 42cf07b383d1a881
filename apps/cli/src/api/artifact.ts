import type { ApiClient } from './client.ts';
import type { Artifact } from './types.ts';

/** The artifact that an image reference names. */
export function resolveArtifact(api: ApiClient, reference: string): Promise<Artifact> {
  return api.get<Artifact>('/resolve', { query: { ref: reference } });
}
