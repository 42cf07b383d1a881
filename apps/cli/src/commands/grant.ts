import type { Grant } from '../api/types.ts';
import { CliError } from '../cli-error.ts';
import type { CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { expiryIn } from './expiry.ts';

export async function addGrant(
  context: CommandContext,
  node: string,
  principal: string,
  role: string,
  options: { readonly expiresIn?: number },
): Promise<void> {
  const grant = await context
    .api()
    .post<Grant>('/grants', { node, principal, role, ...expiryIn(options.expiresIn) });
  await context.output.item(grant, [
    ['principal', grant.principal.name],
    ['role', grant.role],
    ['node', grant.node],
    ['expires', grant.expiresAt],
    ['id', grant.id],
  ]);
}

export async function listGrants(context: CommandContext, node: string): Promise<void> {
  const grants = await context.api().collect<Grant>('/grants', { node, inherited: true });
  await context.output.list(
    grants,
    [
      { title: 'principal', value: (grant) => grant.principal.name },
      { title: 'role', value: (grant) => grant.role },
      { title: 'on', value: (grant) => grant.node },
      { title: 'source', value: (grant) => grant.source },
      { title: 'expires', value: (grant) => grant.expiresAt },
      { title: 'id', value: (grant) => grant.id },
    ],
    `nobody has a role on ${node}`,
  );
}

export async function removeGrant(context: CommandContext, node: string, principal: string): Promise<void> {
  const api = context.api();
  const grant = await api.find<Grant>(
    '/grants',
    { node, inherited: false },
    (each) => each.principal.name === principal && each.source === 'local',
  );
  if (grant === undefined) {
    throw new CliError(EXIT.notFound, `${principal} has no local role on ${node} itself`, {
      hint: `see \`sluice grant list ${node}\``,
    });
  }
  await api.delete(`/grants/${grant.id}`);
  context.output.note(`${principal} has no role on ${node} any more`);
}
