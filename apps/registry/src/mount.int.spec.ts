import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { digestOf, TestClient } from './testing/test-client.ts';
import { basic, TestRegistry } from './testing/test-registry.ts';

describe('mounting a blob', () => {
  let registry: TestRegistry;
  let dev: TestClient;
  beforeAll(async () => {
    registry = await TestRegistry.start();
    dev = await TestClient.maintainer(registry);
  });
  afterAll(async () => registry.close());

  it('answers 201 with the location of the blob, and 202 with an upload when it cannot', async () => {
    const { layer } = await dev.pushImage('team/app/source', 'v1');
    await registry.judge('team/app/source', digestOf('-'), 'green', null);
    const mount = (from: string, digest = layer.digest) =>
      dev.request('POST', `/v2/team/app/target/blobs/uploads/?mount=${digest}&from=${from}`);
    const pending = await mount('team/app/source');
    expect(pending.status, 'not before the gate lets it out').toBe(202);
    await registry.judgeAllGreen();
    const mounted = await mount('team/app/source');
    expect([mounted.status, mounted.headers.get('location')]).toEqual([
      201,
      `/v2/team/app/target/blobs/${layer.digest}`,
    ]);
    expect((await dev.request('GET', `/v2/team/app/target/blobs/${layer.digest}`)).status).toBe(200);
    for (const answer of [
      await mount('team/app/none'),
      await mount('team/app/source', digestOf('?')),
      await mount('Bad..Name'),
    ]) {
      expect(answer.status).toBe(202);
      expect(answer.headers.get('location')).toContain('/blobs/uploads/');
    }
  });

  it('finds a repository by itself among those that the caller may pull, and in no other', async () => {
    await registry.createProject('foreign/app');
    const admin = await TestClient.admin(registry);
    const theirs = await admin.pushImage('foreign/app/x', 'v1');
    const ours = await dev.pushImage('team/app/anon', 'v1');
    await registry.judgeAllGreen();
    const mount = (digest: string) =>
      dev.request('POST', `/v2/team/app/fresh/blobs/uploads/?mount=${digest}`);
    expect((await mount(ours.layer.digest)).status).toBe(201);
    expect((await mount(theirs.layer.digest)).status).toBe(202);
    const named = `?mount=${theirs.layer.digest}&from=foreign/app/x`;
    expect((await dev.request('POST', `/v2/team/app/fresh/blobs/uploads/${named}`)).status).toBe(202);
  });

  it('finds a repository by the rights of who holds the token, which names no other than that of the push', async () => {
    await registry.createProject('elsewhere/app');
    const admin = await TestClient.admin(registry);
    const theirs = await admin.pushImage('elsewhere/app/x', 'v1');
    const ours = await dev.pushImage('team/app/source', 'v1');
    await registry.judgeAllGreen();
    const token = await dev.withToken('repository:team/app/target:pull,push');
    const mount = (query: string) =>
      token.request('POST', `/v2/team/app/target/blobs/uploads/?mount=${query}`);
    expect((await mount(ours.layer.digest)).status).toBe(201);
    expect((await mount(theirs.layer.digest)).status).toBe(202);
    expect((await mount(`${ours.config.digest}&from=team/app/source`)).status).toBe(201);
    expect((await mount(`${theirs.config.digest}&from=elsewhere/app/x`)).status).toBe(202);
  });

  it('reaches no further than the secret behind the token', async () => {
    const ours = await dev.pushImage('team/app/source', 'v2');
    await registry.judgeAllGreen();
    const id = await registry.createUser('narrow', { 'team/app': 'maintainer' });
    const statuses = async (scopes: readonly string[]): Promise<number[]> => {
      const holder = basic('narrow', await registry.createToken(id, scopes));
      const secret = new TestClient(registry, null, holder);
      const token = await secret.withToken('repository:team/app/narrow:pull,push');
      const answers = [secret, token].flatMap((client) =>
        [ours.layer, ours.config].map(({ digest }, at) => {
          const from = at === 0 ? '' : '&from=team/app/source';
          const query = `?mount=${digest}${from}`;
          return client.request('POST', `/v2/team/app/narrow/blobs/uploads/${query}`);
        }),
      );
      return (await Promise.all(answers)).map(({ status }) => status);
    };
    const own = 'repository:team/app/narrow:pull,push';
    expect(await statuses([own])).toEqual([202, 202, 202, 202]);
    expect(await statuses([own, 'repository:team/app/source:pull'])).toEqual([201, 201, 201, 201]);
  });

  it('does not carry red content to another repository', async () => {
    const image = await dev.pushImage('team/app/red', 'v1');
    await registry.judge('team/app/red', image.digest, 'red', 'scan: no');
    const query = `?mount=${image.layer.digest}&from=team/app/red`;
    expect((await dev.request('POST', `/v2/team/app/clean/blobs/uploads/${query}`)).status).toBe(202);
  });
});
