import type { CiBinding } from '../api/types.ts';
import type { CommandContext } from '../context.ts';

interface CiBindingOptions {
  readonly gitlabProject: string;
  readonly gitlabPath: string;
  readonly gitlab?: string;
  readonly role: string;
  readonly protected?: boolean;
}

export async function createCiBinding(
  context: CommandContext,
  node: string,
  options: CiBindingOptions,
): Promise<void> {
  const binding = await context.api().post<CiBinding>('/ci-bindings', {
    node,
    gitlabProjectId: options.gitlabProject,
    gitlabProjectPath: options.gitlabPath,
    role: options.role,
    ...(options.gitlab === undefined ? {} : { issuer: options.gitlab }),
    ...(options.protected === true ? { conditions: { refProtected: true } } : {}),
  });
  await context.output.item(binding, [
    ['node', binding.node],
    ['role', binding.role],
    ['GitLab', binding.issuer],
    ['GitLab project', `${binding.gitlabProjectPath} (${binding.gitlabProjectId})`],
    ['only protected refs', binding.conditions.refProtected === true],
    ['id', binding.id],
  ]);
}

export async function listCiBindings(context: CommandContext, node: string): Promise<void> {
  const bindings = await context.api().collect<CiBinding>('/ci-bindings', { node });
  await context.output.list(
    bindings,
    [
      { title: 'GitLab project', value: (binding) => binding.gitlabProjectPath },
      { title: 'number', value: (binding) => binding.gitlabProjectId },
      { title: 'role', value: (binding) => binding.role },
      { title: 'conditions', value: (binding) => conditionsText(binding) },
      { title: 'GitLab', value: (binding) => binding.issuer },
      { title: 'id', value: (binding) => binding.id },
    ],
    `no CI bindings of ${node}`,
  );
}

export async function deleteCiBinding(context: CommandContext, id: string): Promise<void> {
  await context.api().delete(`/ci-bindings/${encodeURIComponent(id)}`);
  context.output.note(`deleted ${id}`);
}

function conditionsText({ conditions }: CiBinding): string {
  return Object.entries(conditions)
    .map(([name, value]) => `${name}=${Array.isArray(value) ? value.join('|') : String(value)}`)
    .join(' ');
}
