import type { Denial } from '../api/types.ts';
import type { CommandContext } from '../context.ts';

export async function denials(
  context: CommandContext,
  options: { readonly repository?: string; readonly node?: string; readonly limit: number },
): Promise<void> {
  const items = await context
    .api(options.repository)
    .collect<Denial>('/denials', { repository: options.repository, node: options.node }, options.limit);
  await context.output.list(
    items,
    [
      { title: 'at', value: (denial) => denial.at },
      { title: 'who', value: (denial) => denial.principal.name },
      { title: 'from', value: (denial) => denial.clientAddress },
      { title: 'repository', value: (denial) => denial.repository },
      { title: 'reference', value: (denial) => denial.reference },
      { title: 'rule', value: (denial) => denial.rule },
      { title: 'reason', value: (denial) => denial.reason },
    ],
    'no refused pulls',
  );
}
