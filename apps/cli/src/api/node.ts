import { CliError } from '../cli-error.ts';
import { EXIT } from '../exit-codes.ts';
import type { ApiClient, Page } from './client.ts';
import type { TreeNode } from './types.ts';

/** The project or group at a path. */
export async function findNode(
  api: ApiClient,
  path: string,
  kinds: readonly ('projects' | 'groups')[] = ['projects', 'groups'],
): Promise<TreeNode> {
  for (const kind of kinds) {
    const { items } = await api.get<Page<TreeNode>>(`/${kind}`, { query: { path, limit: 1 } });
    if (items[0] !== undefined) return items[0];
  }
  const what = kinds.length === 1 ? 'project' : 'project or group';
  throw new CliError(EXIT.notFound, `there is no ${what} ${path} that you may see`, {
    hint: 'see `sluice project list`',
  });
}
