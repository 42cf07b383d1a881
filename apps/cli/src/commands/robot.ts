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
  options: { readonly role: string; readonly scope?: readonly string[]; readonly expiresIn?: number },
): Promise<void> {
  const robot = await context.api().post<CreatedRobot>('/robots', {
    node,
    name,
    role: options.role,
    ...scopesOf(options.scope),
    ...expiryIn(options.expiresIn),
  });
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
  await api.delete(await robotPath(api, node, name));
  context.output.note(`deleted robot ${name}`);
}

export async function updateRobot(
  context: CommandContext,
  node: string,
  name: string,
  options: {
    readonly disable?: boolean;
    readonly enable?: boolean;
    readonly expiresIn?: number;
    readonly neverExpires?: boolean;
  },
): Promise<void> {
  const change = {
    ...(options.disable === true ? { disabled: true } : {}),
    ...(options.enable === true ? { disabled: false } : {}),
    ...(options.neverExpires === true ? { expiresAt: null } : expiryIn(options.expiresIn)),
  };
  if (Object.keys(change).length === 0) {
    throw new CliError(EXIT.usage, 'nothing to change', {
      hint: 'give --disable, --enable, --expires-in or --never-expires',
    });
  }
  const api = context.api();
  const robot = await api.patch<Robot>(await robotPath(api, node, name), change);
  await context.output.item(robot, [
    ['user name', robot.name],
    ['disabled', robot.disabledAt],
    ['expires', robot.expiresAt],
    ['id', robot.id],
  ]);
}

/** Its place in the API, by its id or its name. */
export async function robotPath(api: ApiClient, node: string, name: string): Promise<string> {
  const id = name.startsWith('rob_') ? name : (await robotNamed(api, node, name)).id;
  return `/robots/${encodeURIComponent(id)}`;
}

/** The field of a request; absent when none is given. */
export function scopesOf(scopes: readonly string[] | undefined): { scopes?: readonly string[] } {
  return scopes === undefined ? {} : { scopes };
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
