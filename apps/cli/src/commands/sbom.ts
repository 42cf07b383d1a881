import { resolveArtifact } from '../api/artifact.ts';
import type { CommandContext } from '../context.ts';

const CYCLONEDX = 'application/vnd.cyclonedx+json';

export async function sbom(context: CommandContext, reference: string): Promise<void> {
  const api = context.api(reference);
  const artifact = await resolveArtifact(api, reference);
  const text = await api.text(`/artifacts/${artifact.id}/sbom`, CYCLONEDX);
  if (context.output.format === 'yaml') await context.output.data(JSON.parse(text));
  else context.output.raw(text);
}
