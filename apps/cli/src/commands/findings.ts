import { resolveArtifact } from '../api/artifact.ts';
import type { Finding } from '../api/types.ts';
import type { CommandContext } from '../context.ts';

export interface FindingsOptions {
  readonly severity?: string;
  readonly fixable?: boolean;
}

export async function findings(
  context: CommandContext,
  reference: string,
  options: FindingsOptions,
): Promise<void> {
  const api = context.api(reference);
  const artifact = await resolveArtifact(api, reference);
  const items = await api.collect<Finding>(`/artifacts/${artifact.id}/findings`, {
    severity: options.severity,
    fixable: options.fixable,
  });
  await context.output.list(
    items,
    [
      { title: 'severity', value: (finding) => finding.severity },
      { title: 'package', value: (finding) => finding.package.name },
      { title: 'version', value: (finding) => finding.package.version },
      { title: 'fixed in', value: (finding) => finding.fixedVersion },
      { title: 'advisory', value: (finding) => finding.advisory },
      { title: 'also known as', value: (finding) => finding.aliases.join(' ') },
      { title: 'path', value: (finding) => finding.path },
    ],
    'no findings match',
  );
}
