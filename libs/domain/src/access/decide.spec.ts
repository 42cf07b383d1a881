import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Action, ADMIN_ACTIONS, NODE_ACTIONS, type NodeAction } from './action.ts';
import { type AccessQuestion, decide, type Subject } from './decide.ts';
import type { Grant } from './grant.ts';
import { type NodeContext, pathLineage, VISIBILITIES } from './node.ts';
import { compareRoles, type Role, roleAtLeast, ROLES } from './role.ts';

const NOW = new Date('2026-11-21T12:00:00Z');
const LATER = new Date('2027-01-01T00:00:00Z');
const BEFORE = new Date('2026-11-20T00:00:00Z');
const ANNA: Subject = {
  kind: 'user',
  id: 'anna',
  name: 'anna',
  isAdmin: false,
  disabledAt: null,
  expiresAt: null,
};
const actions = Object.keys(NODE_ACTIONS) as NodeAction[];

/** Node ids are their paths here, so that a reader sees what a grant is on. */
function project(path: string, visibility: NodeContext['visibility'] = 'private'): NodeContext {
  const paths = pathLineage(path);
  const lineage = paths.map(
    (each) => ({ id: each, path: each, kind: each === path ? 'project' : 'group' }) as const,
  );
  return { id: path, path, kind: 'project', visibility, lineage };
}

function grant(nodeId: string, role: Role, extra: Partial<Grant> = {}): Grant {
  return { principalId: 'anna', nodeId, role, source: 'local', expiresAt: null, ...extra };
}

function ask(question: Partial<AccessQuestion> & { action: Action }) {
  return decide(
    { subject: ANNA, node: project('team/app'), repository: null, grants: [], scopes: null, ...question },
    NOW,
  );
}

const role = fc.constantFrom(...ROLES);
const action = fc.constantFrom(...actions);
const path = fc.constantFrom('a', 'a/b', 'a/b/c', 'a/c', 'ab', 'b', 'b/c');
const anyGrant = fc.record({
  principalId: fc.constantFrom('anna', 'bob'),
  nodeId: path,
  role,
  source: fc.constantFrom('local', 'gitlab:group:12', 'gitlab:project:7'),
  expiresAt: fc.constantFrom(null, BEFORE, NOW, LATER),
});
const anyNode = fc
  .tuple(path, fc.constantFrom(...VISIBILITIES))
  .map(([at, visibility]) => project(at, visibility));

describe('the algebra of grants', () => {
  it('without a grant there is no right on a private node', () => {
    fc.assert(
      fc.property(path, action, (at, each) => {
        expect(ask({ action: each, node: project(at) }).allowed).toBe(false);
      }),
    );
  });

  it('is monotone in the role: a greater role never takes a right away', () => {
    fc.assert(
      fc.property(role, role, action, (a, b, each) => {
        const [lesser, greater] = compareRoles(a, b) <= 0 ? [a, b] : [b, a];
        const withLesser = ask({ action: each, grants: [grant('team', lesser)] }).allowed;
        const withGreater = ask({ action: each, grants: [grant('team', greater)] }).allowed;
        expect(!withLesser || withGreater).toBe(true);
      }),
    );
  });

  it('is monotone in the grants: another grant never takes a right away', () => {
    fc.assert(
      fc.property(fc.array(anyGrant), anyGrant, anyNode, action, (grants, more, node, each) => {
        const before = ask({ action: each, node, grants }).allowed;
        expect(!before || ask({ action: each, node, grants: [...grants, more] }).allowed).toBe(true);
      }),
    );
  });

  it('an inherited grant holds for the node, everything below it, and nothing beside or above', () => {
    fc.assert(
      fc.property(path, path, role, action, (on, at, held, each) => {
        const isBelow = at === on || at.startsWith(`${on}/`);
        const expected = isBelow && roleAtLeast(held, NODE_ACTIONS[each]);
        expect(ask({ action: each, node: project(at), grants: [grant(on, held)] }).allowed).toBe(expected);
      }),
    );
  });

  it('does not depend on the order of the grants, explanation included', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(anyGrant, { selector: (g) => `${g.principalId} ${g.nodeId} ${g.source}` }),
        anyNode,
        action,
        (grants, node, each) => {
          expect(ask({ action: each, node, grants: grants.toReversed() })).toEqual(
            ask({ action: each, node, grants }),
          );
        },
      ),
    );
  });

  it("another principal's grants count for nothing", () => {
    fc.assert(
      fc.property(path, role, action, (on, held, each) => {
        const grants = [grant(on, held, { principalId: 'bob' })];
        expect(ask({ action: each, node: project(on), grants }).allowed).toBe(false);
      }),
    );
  });

  it('a disabled or expired principal has nothing, not even as administrator or on public projects', () => {
    fc.assert(
      fc.property(
        fc.array(anyGrant),
        anyNode,
        action,
        fc.boolean(),
        fc.boolean(),
        (grants, node, each, isAdmin, disabled) => {
          const subject: Subject = {
            ...ANNA,
            isAdmin,
            ...(disabled ? { disabledAt: BEFORE } : { expiresAt: NOW }),
          };
          expect(ask({ subject, action: each, node, grants }).allowed).toBe(false);
        },
      ),
    );
  });

  it('an expired grant decides as if it were not there', () => {
    fc.assert(
      fc.property(fc.array(anyGrant), anyNode, action, (grants, node, each) => {
        const live = grants.filter(({ expiresAt }) => expiresAt === null || expiresAt > NOW);
        expect(ask({ action: each, node, grants }).allowed).toBe(
          ask({ action: each, node, grants: live }).allowed,
        );
      }),
    );
  });

  it('scopes only ever take away', () => {
    const scope = fc.constantFrom(
      { kind: 'all' } as const,
      { kind: 'read' } as const,
      { kind: 'repository', pattern: 'a/*', actions: ['pull', 'push'] } as const,
      { kind: 'repository', pattern: '*', actions: ['pull'] } as const,
    );
    fc.assert(
      fc.property(fc.array(anyGrant), anyNode, action, fc.array(scope), (grants, node, each, scopes) => {
        const question = { action: each, node, grants, repository: `${node.path}/web` };
        expect(!ask({ ...question, scopes }).allowed || ask(question).allowed).toBe(true);
        expect(ask({ ...question, scopes: [] }).allowed).toBe(false);
      }),
    );
  });

  it('always gives a reason', () => {
    fc.assert(
      fc.property(fc.array(anyGrant), anyNode, action, (grants, node, each) => {
        expect(ask({ action: each, node, grants }).reasons.join('')).not.toBe('');
      }),
    );
  });
});

describe('the expiry of a grant', () => {
  const grants = (expiresAt: Date) => [grant('team', 'developer', { expiresAt })];

  it('holds until the instant of its expiry, not at it', () => {
    const oneMsLater = new Date(NOW.getTime() + 1);
    expect(ask({ action: 'repository.push', grants: grants(oneMsLater) }).allowed).toBe(true);
    expect(ask({ action: 'repository.push', grants: grants(NOW) }).allowed).toBe(false);
  });

  it('says until when it is allowed: the latest of the grants that suffice, no end when one has none', () => {
    const soon = new Date('2026-12-01T00:00:00Z');
    const two = [...grants(soon), grant('team/app', 'owner', { expiresAt: LATER })];
    expect(ask({ action: 'repository.push', grants: two }).until).toEqual(LATER);
    const three = [...two, grant('team', 'developer', { source: 'gitlab:group:12' })];
    expect(ask({ action: 'repository.push', grants: three }).until).toBeNull();
  });

  it('ends with the principal at the latest', () => {
    const subject: Subject = { ...ANNA, expiresAt: LATER };
    expect(ask({ subject, action: 'repository.push', grants: [grant('team', 'owner')] }).until).toEqual(
      LATER,
    );
  });
});

describe('visibility', () => {
  const robot: Subject = { ...ANNA, kind: 'robot', id: 'r', name: 'robot$x+y' };
  const workload: Subject = { ...ANNA, kind: 'workload', id: 'w', name: 'gitlab:x#1' };
  const anonymous: Subject = { kind: 'anonymous' };
  const pullers = (visibility: NodeContext['visibility']) =>
    [anonymous, ANNA, robot, workload].map(
      (subject) => ask({ subject, action: 'repository.pull', node: project('team/app', visibility) }).allowed,
    );

  it('public: everybody pulls; internal: signed-in users and robots; private: nobody without a grant', () => {
    expect(pullers('public')).toEqual([true, true, true, true]);
    expect(pullers('internal')).toEqual([false, true, true, false]);
    expect(pullers('private')).toEqual([false, false, false, false]);
  });

  it('is what a right rests on, unless a grant that does not end gives it as well', () => {
    const restsOnIt = (...grants: Grant[]) =>
      ask({ action: 'repository.pull', node: project('team/app', 'public'), grants }).byVisibility;
    expect(restsOnIt()).toBe(true);
    expect(restsOnIt(grant('team', 'guest'))).toBe(true);
    expect(restsOnIt(grant('team', 'reporter', { expiresAt: LATER }))).toBe(true);
    expect(restsOnIt(grant('team', 'reporter'))).toBe(false);
  });

  it('gives reading only: nobody pushes, deletes or manages by it', () => {
    const allowed = actions.filter(
      (each) => ask({ action: each, node: project('team/app', 'public') }).allowed,
    );
    expect(allowed).toEqual(['project.read', 'repository.read', 'repository.pull']);
  });
});

describe('roles', () => {
  it.each([
    ['guest', 'project.read', 'repository.pull'],
    ['reporter', 'repository.pull', 'repository.push'],
    ['developer', 'repository.push', 'repository.delete'],
    ['maintainer', 'repository.delete', 'trust.manage'],
    ['owner', 'trust.manage', 'admin.users'],
  ] as const)('%s may %s and may not %s', (held, may, mayNot) => {
    const grants = [grant('team', held)];
    expect(ask({ action: may, grants }).allowed).toBe(true);
    expect(ask({ action: mayNot, grants }).allowed).toBe(false);
  });

  it('administration is for administrators, whatever their roles', () => {
    for (const each of ADMIN_ACTIONS) {
      expect(ask({ action: each, node: null, grants: [grant('team', 'owner')] }).allowed).toBe(false);
      expect(ask({ action: each, node: null, subject: { ...ANNA, isAdmin: true } }).allowed).toBe(true);
    }
  });

  it('only users can be administrators', () => {
    const robot: Subject = { ...ANNA, kind: 'robot', isAdmin: true };
    expect(ask({ action: 'admin.users', node: null, subject: robot }).allowed).toBe(false);
  });
});

describe('the explanation', () => {
  it('names role, node, source and expiry of what allows it', () => {
    const grants = [grant('team', 'developer', { source: 'gitlab:group:12', expiresAt: LATER })];
    expect(ask({ action: 'repository.push', grants }).reasons).toEqual([
      'developer on group team by GitLab group 12, until 2027-01-01',
    ]);
  });

  it('of a refusal names what was needed and everything that was held', () => {
    const grants = [
      grant('team/app', 'reporter'),
      grant('team', 'owner', { source: 'gitlab:project:7', expiresAt: BEFORE }),
    ];
    expect(ask({ action: 'repository.push', repository: 'team/app/web', grants }).reasons).toEqual([
      'repository.push of team/app/web needs developer on project team/app or above; anna has reporter',
      'owner on group team by GitLab project 7, until 2026-11-20 (expired)',
      'reporter on project team/app by a local grant',
    ]);
  });

  it('of a limited credential names its scopes', () => {
    const scopes = [{ kind: 'repository', pattern: 'team/app/*', actions: ['pull'] } as const];
    const grants = [grant('team', 'owner')];
    const { allowed, reasons } = ask({
      action: 'repository.push',
      repository: 'team/app/web',
      grants,
      scopes,
    });
    expect(allowed).toBe(false);
    expect(reasons[0]).toBe(
      'the credential is limited to repository:team/app/*:pull, which does not cover repository.push of team/app/web',
    );
  });
});
