import type { RepositoryAction } from './principal.ts';
import type { Role } from './role.ts';

/**
 * The least role for every action on a node, one row an action.
 *
 * Pull, push and delete follow GitLab's own registry (`read_container_image` from reporter, `create_container_image`
 * from developer, `admin_container_image` from maintainer). Policies only ever add demands to inherited ones, so a
 * maintainer may write them; a trusted key can satisfy an inherited demand, so it takes an owner.
 */
export const NODE_ACTIONS = {
  'project.read': 'guest',
  'repository.read': 'reporter',
  'repository.pull': 'reporter',
  'repository.push': 'developer',
  'repository.delete': 'maintainer',
  'scan.start': 'developer',
  'policy.read': 'reporter',
  'policy.write': 'maintainer',
  'trust.read': 'reporter',
  'trust.manage': 'owner',
  'denial.read': 'reporter',
  'member.read': 'reporter',
  'member.manage': 'maintainer',
  'robot.read': 'maintainer',
  'robot.manage': 'maintainer',
  'binding.read': 'maintainer',
  'binding.manage': 'maintainer',
  'node.create': 'maintainer',
  'node.update': 'maintainer',
  'node.delete': 'owner',
} as const satisfies Record<string, Role>;

export type NodeAction = keyof typeof NODE_ACTIONS;

/** Actions on the installation; only administrators have them, whatever roles they hold on nodes. */
export const ADMIN_ACTIONS = [
  'admin.nodes',
  'admin.users',
  'admin.policies',
  'admin.advisories',
  'admin.jobs',
  'admin.audit',
  'admin.settings',
] as const;
export type AdminAction = (typeof ADMIN_ACTIONS)[number];

export type Action = NodeAction | AdminAction;

/** What the visibility of a node gives without a grant. */
const VISIBLE_ACTIONS: ReadonlySet<Action> = new Set<NodeAction>([
  'project.read',
  'repository.read',
  'repository.pull',
]);

export function isAction(text: string): text is Action {
  return Object.hasOwn(NODE_ACTIONS, text) || (ADMIN_ACTIONS as readonly string[]).includes(text);
}

export function isAdminAction(action: Action): action is AdminAction {
  return !Object.hasOwn(NODE_ACTIONS, action);
}

/** True for actions that show what the API knows and change nothing. Pulling content is not one of them. */
export function isReadAction(action: Action): boolean {
  return action.endsWith('.read');
}

export function isVisibleAction(action: Action): boolean {
  return VISIBLE_ACTIONS.has(action);
}

/** The node action behind an action of the token specification. */
export function nodeAction(action: RepositoryAction): NodeAction {
  return `repository.${action}`;
}
