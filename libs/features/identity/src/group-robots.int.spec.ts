import type { NodeRecord, PrincipalRecord } from '@sluice/database';
import type { Role } from '@sluice/domain/access';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { IssuedSecret } from './robots.ts';
import { basic, BY, TestIdentity } from './testing/test-identity.ts';

describe('a robot of a group', () => {
  let test: TestIdentity;
  let team: NodeRecord;
  let number = 0;
  beforeAll(async () => {
    test = await TestIdentity.create();
    for (const path of ['team/app', 'team/deep/er/lib', 'team2/app', 'other']) await test.project(path);
    await test.project('open/base', 'public');
    team = (await test.nodes.get({ path: 'team' })) ?? expect.fail('there is no group team');
  });
  afterAll(async () => test[Symbol.asyncDispose]());

  function create(
    more: { role?: Role; scopes?: string[]; expiresAt?: Date; name?: string; node?: NodeRecord } = {},
  ) {
    return test.identity.robots.create(BY, 'owner', {
      node: team,
      name: `robot-${(number += 1)}`,
      role: 'developer',
      expiresAt: null,
      ...more,
    });
  }

  /** What the registry token of the robot holds, of everything that could be asked for. */
  async function rightsOf(robot: PrincipalRecord, secret: IssuedSecret, repositories: readonly string[]) {
    const response = await test.identity.tokenEndpoint.get({
      parameters: { scope: repositories.map((name) => `repository:${name}:pull,push,delete`) },
      authorization: basic(robot.name, secret.token),
      clientAddress: '10.0.0.1',
      requestId: null,
    });
    return response.scope === '' ? [] : response.scope.split(' ');
  }

  const EVERYWHERE = ['team/app/web', 'team/deep/er/lib/x', 'team2/app/web', 'other/web'];

  it('has its role in every project below the group, however deep, and in none beside it', async () => {
    const { robot, secret } = await create();
    expect(robot.name).toMatch(/^robot\$team\+robot-\d+$/);
    expect(await rightsOf(robot, secret, EVERYWHERE)).toEqual([
      'repository:team/app/web:pull,push',
      'repository:team/deep/er/lib/x:pull,push',
    ]);
  });

  it('has it in projects that are made later', async () => {
    const { robot, secret } = await create({ role: 'reporter' });
    await test.project('team/new');
    expect(await rightsOf(robot, secret, ['team/new/web'])).toEqual(['repository:team/new/web:pull']);
  });

  it('is limited by the scopes of its secret, and never gets more by them than its role gives', async () => {
    const { robot, secret } = await create({
      role: 'reporter',
      scopes: ['repository:team/deep/*:pull,push', 'repository:other/*:pull'],
    });
    expect(await rightsOf(robot, secret, EVERYWHERE)).toEqual(['repository:team/deep/er/lib/x:pull']);
  });

  it('may have two secrets with different scopes', async () => {
    const { robot, secret } = await create({ scopes: ['repository:team/app/*:pull'] });
    const second = await test.identity.robots.rotate(BY, robot.id, {
      scopes: ['repository:team/deep/*:push'],
    });
    expect(await rightsOf(robot, secret, EVERYWHERE)).toEqual(['repository:team/app/web:pull']);
    expect(await rightsOf(robot, second, EVERYWHERE)).toEqual(['repository:team/deep/er/lib/x:push']);
  });

  it('pulls what is public elsewhere, as everybody does', async () => {
    const { robot, secret } = await create();
    expect(await rightsOf(robot, secret, ['open/base/image'])).toEqual(['repository:open/base/image:pull']);
  });

  it('is another than the robot of the same name of a project below', async () => {
    const group = await create({ name: 'deploy' });
    const app = (await test.nodes.get({ path: 'team/app' })) ?? expect.fail('there is no project');
    const project = await create({ name: 'deploy', node: app });
    expect([group.robot.name, project.robot.name]).toEqual(['robot$team+deploy', 'robot$team/app+deploy']);
    expect(await rightsOf(project.robot, project.secret, EVERYWHERE)).toEqual([
      'repository:team/app/web:pull,push',
    ]);
    expect(await test.identity.robots.list({ nodeId: team.id, after: null, limit: 100 })).not.toContainEqual(
      expect.objectContaining({ id: project.robot.id }),
    );
  });

  it('ends with its expiry: so do its secrets, and the tokens that it got before', async () => {
    const { robot, secret } = await create({ expiresAt: new Date(test.now().getTime() + 120_000) });
    const request = {
      parameters: { scope: ['repository:team/app/web:pull'] },
      authorization: basic(robot.name, secret.token),
      clientAddress: '10.0.0.1',
      requestId: null,
    };
    const { token } = await test.identity.tokenEndpoint.get(request);
    // A token lives for five minutes otherwise.
    expect((decodeJwt(token).exp ?? 0) * 1_000).toBeLessThanOrEqual(robot.expiresAt?.getTime() ?? 0);
    // Clocks of replicas may differ by ten seconds.
    test.ahead = 131;
    try {
      await expect(test.identity.tokenEndpoint.get(request)).rejects.toMatchObject({
        code: 'credentials-invalid',
      });
      await expect(
        test.identity.authentication.authenticate(`Bearer ${token}`, '10.0.0.1'),
      ).rejects.toMatchObject({
        code: 'credentials-invalid',
      });
    } finally {
      test.ahead = 0;
    }
  });
});
