import type { ApiClient } from '../api/client.ts';
import type { CreatedRobot, Robot } from '../api/types.ts';
import { CliError } from '../cli-error.ts';
import type { CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { expiryIn } from './expiry.ts';

export async function createRobot(
  context: CommandContext,
  node: string,
  name: string,
  options: { readonly role: string; readonly expiresIn?: number },
): Promise<void> {
  const robot = await context
    .api()
    .post<CreatedRobot>('/robots', { node, name, role: options.role, ...expiryIn(options.expiresIn) });
  context.output.note('keep the secret now: it cannot be shown again');
  await context.output.item(robot, [
    ['user name', robot.name],
    ['secret', robot.secret],
    ['role', options.role],
    ['secret ends', robot.secretExpiresAt],
    ['id', robot.id],
  ]);
}

export async function listRobots(context: CommandContext, node: string): Promise<void> {
  const robots = await context.api().collect<Robot>('/robots', { node });
  await context.output.list(
    robots,
    [
      { title: 'user name', value: (robot) => robot.name },
      { title: 'disabled', value: (robot) => robot.disabledAt },
      { title: 'expires', value: (robot) => robot.expiresAt },
      { title: 'created', value: (robot) => robot.createdAt },
      { title: 'id', value: (robot) => robot.id },
    ],
    `no robots of ${node}`,
  );
}

export async function deleteRobot(context: CommandContext, node: string, name: string): Promise<void> {
  const api = context.api();
  const id = name.startsWith('rob_') ? name : (await robotNamed(api, node, name)).id;
  await api.delete(`/robots/${encodeURIComponent(id)}`);
  context.output.note(`deleted robot ${name}`);
}

/** By its user name `robot$team/app+deploy`, or by the part after the plus sign. */
async function robotNamed(api: ApiClient, node: string, name: string): Promise<Robot> {
  const robot = await api.find<Robot>(
    '/robots',
    { node },
    (each) => each.name === name || each.name.endsWith(`+${name}`),
  );
  if (robot !== undefined) return robot;
  throw new CliError(EXIT.notFound, `${node} has no robot ${name}`, {
    hint: `see \`sluice robot list ${node}\``,
  });
}
