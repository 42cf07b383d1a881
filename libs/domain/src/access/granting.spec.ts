import { describe, expect, it } from 'vitest';
import { assertGrantable } from './granting.ts';
import { checkNewPassword, parseRobotShortName, parseUserName, robotName } from './names.ts';
import type { NodeContext } from './node.ts';
import type { Role } from './role.ts';

const group = { id: 'g', kind: 'group', path: 'team' } as const;
const app = { id: 'p', kind: 'project', path: 'team/app' } as const;
const node: NodeContext = { ...app, visibility: 'private', lineage: [group, app] };
const user = { kind: 'user', name: 'anna', nodeId: null } as const;

describe('giving a role', () => {
  it('nobody gives a role above their own', () => {
    expect(() => assertGrantable('maintainer', 'maintainer', user, node)).not.toThrow();
    expect(() => assertGrantable('maintainer', 'owner', user, node)).toThrow(
      /neither give nor take the role owner/,
    );
  });

  it('a robot has roles on its own node and below only, whoever gives them', () => {
    const robot = (nodeId: string) => ({ kind: 'robot', name: 'robot$x+y', nodeId }) as const;
    expect(() => assertGrantable('owner', 'developer', robot('p'), node)).not.toThrow();
    expect(() => assertGrantable('owner', 'developer', robot('g'), node)).not.toThrow();
    expect(() => assertGrantable('owner', 'developer', robot('other'), node)).toThrow(/own node and below/);
    const above: NodeContext = { ...group, visibility: 'private', lineage: [group] };
    expect(() => assertGrantable('owner', 'developer', robot('p'), above)).toThrow(/own node and below/);
  });

  it('machines are never owners, and CI jobs have what their bindings say', () => {
    const robot = { kind: 'robot', name: 'robot$x+y', nodeId: 'p' } as const;
    expect(() => assertGrantable('owner', 'owner', robot, node)).toThrow(/at most maintainer/);
    const workload = { kind: 'workload', name: 'gitlab:x#1', nodeId: null } as const;
    expect(() => assertGrantable('owner', 'guest' as Role, workload, node)).toThrow(/CI binding/);
  });
});

describe('names', () => {
  it.each(['anna', 'anna.b-c_d', '0x', 'a_'])('user name %s is valid', (name) => {
    expect(parseUserName(name)).toBe(name);
  });

  it.each([
    '',
    'Anna',
    'a b',
    '.a',
    'a.',
    'a-',
    'robot$x+y',
    'gitlab:x',
    'gitlab-ci',
    'anonymous',
    'a:b',
    'a/b',
    'ä',
    'x'.repeat(256),
  ])('user name %j is refused: it would be no name, or one of another kind of principal', (name) => {
    expect(() => parseUserName(name)).toThrow(/invalid user name/);
  });

  it('a robot is called robot$<path>+<name>', () => {
    expect(robotName('team/app', parseRobotShortName('deploy'))).toBe('robot$team/app+deploy');
    for (const name of ['', 'A', 'a+b', 'a$b', 'a:b', '-a', 'a-', 'x'.repeat(65)]) {
      expect(() => parseRobotShortName(name)).toThrow(/invalid robot name/);
    }
  });

  it('a password has 8 to 512 characters', () => {
    expect(() => checkNewPassword('1234567')).toThrow(/8 to 512/);
    expect(() => checkNewPassword('12345678')).not.toThrow();
    expect(() => checkNewPassword('x'.repeat(513))).toThrow(/8 to 512/);
  });
});
