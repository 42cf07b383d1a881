import { describe, expect, it } from 'vitest';
import { readableNodes } from './grant.ts';
import type { Role } from './role.ts';

describe('the nodes that grants let somebody read', () => {
  const now = new Date('2026-11-29T12:00:00Z');
  const grant = (role: Role, expiresAt: Date | null = null) => ({
    principalId: 'p',
    nodeId: `${role}-${expiresAt?.toISOString() ?? 'always'}`,
    role,
    source: 'local',
    expiresAt,
  });

  it('begin with the role of a reporter: a guest sees the node and nothing in it', () => {
    const grants = (['guest', 'reporter', 'developer', 'maintainer', 'owner'] as const).map((role) =>
      grant(role),
    );
    expect(readableNodes(grants, now)).toEqual(grants.slice(1).map(({ nodeId }) => nodeId));
  });

  it('end with the grant', () => {
    const after = new Date(now.getTime() + 1);
    expect(readableNodes([grant('reporter', now), grant('reporter', after)], now)).toEqual([
      grant('reporter', after).nodeId,
    ]);
  });
});
