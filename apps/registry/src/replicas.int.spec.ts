import { randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type Answer, digestOf, OCI_MANIFEST, TestClient } from './testing/test-client.ts';
import { TestRegistry } from './testing/test-registry.ts';

const REPOSITORY = 'team/app/web';
const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const MANIFEST_SCOPE = `repository:${REPOSITORY}:pull,push,delete`;

describe('two replicas that answer from memory', () => {
  let replicas: [TestRegistry, TestRegistry];
  /** The same token at each replica. */
  let clients: [TestClient, TestClient];
  beforeAll(async () => {
    const first = await TestRegistry.start();
    replicas = [first, await TestRegistry.join(first)];
    await first.createProject('team/app');
    await first.createUser('dev', { 'team/app': 'maintainer' });
    const { authorization } = await new TestClient(first, 'dev').withToken(MANIFEST_SCOPE);
    clients = [
      new TestClient(replicas[0], null, authorization ?? ''),
      new TestClient(replicas[1], null, authorization ?? ''),
    ];
  });
  afterAll(async () => {
    await replicas[1].close();
    await replicas[0].close();
  });

  const pathOf = (reference: string): string => `/v2/${REPOSITORY}/manifests/${reference}`;

  async function pushGreen(tag: string): Promise<string> {
    const { digest } = await clients[0].pushImage(REPOSITORY, tag);
    await replicas[0].judge(REPOSITORY, digest, 'green', null);
    return digest;
  }

  /** Both replicas have it in memory afterwards. */
  async function warm(...references: string[]): Promise<void> {
    for (const client of [...clients, ...clients]) {
      for (const reference of references)
        expect((await client.request('GET', pathOf(reference))).status).toBe(200);
    }
  }

  it('answer what is remembered as they answer what is looked up', async () => {
    const digest = await pushGreen('same');
    const [client] = clients;
    const shape = ({ status, headers, body }: Answer) => ({
      status,
      body: body.toString(),
      headers: Object.fromEntries([...headers].filter(([name]) => name !== 'date')),
    });
    for (const reference of ['same', digest]) {
      for (const method of ['GET', 'HEAD']) {
        const ask = async () => shape(await client.request(method, pathOf(reference)));
        await replicas[0].database.source.query(`SELECT pg_notify('sluice_reads', 'everything')`);
        await replicas[0].settle();
        const lookedUp = await ask();
        // The first GET after it brings the content to memory, too.
        await client.request('GET', pathOf(reference));
        expect(await ask()).toEqual(lookedUp);
        expect(lookedUp.status).toBe(200);
      }
    }
  });

  it('answer with the media type under which each repository was given the same content', async () => {
    const { config, layer, content } = await clients[0].pushImage(REPOSITORY, 'typed');
    await replicas[0].judgeAllGreen();
    const untyped = { schemaVersion: 2, config, layers: [layer] };
    const digest = digestOf(JSON.stringify(untyped));
    const other = 'team/app/typed';
    const dev = new TestClient(replicas[0], 'dev');
    const types = { [REPOSITORY]: OCI_MANIFEST, [other]: DOCKER_MANIFEST };
    const configContent = (await dev.request('GET', `/v2/${REPOSITORY}/blobs/${config.digest}`)).body;
    await dev.pushBlob(other, content);
    await dev.pushBlob(other, configContent);
    for (const [repository, type] of Object.entries(types)) {
      expect((await dev.putManifest(repository, digest, untyped, type)).status).toBe(201);
      await replicas[0].judge(repository, digest, 'green', null);
    }
    const token = await dev.withToken(...Object.keys(types).map((name) => `repository:${name}:pull`));
    for (let round = 0; round < 3; round++) {
      for (const [repository, type] of Object.entries(types)) {
        const answer = await token.request('GET', `/v2/${repository}/manifests/${digest}`);
        expect([round, repository, answer.headers.get('content-type')]).toEqual([round, repository, type]);
      }
    }
  });

  it('heed conditions and the first of two Authorization fields, from memory as otherwise', async () => {
    const digest = await pushGreen('fields');
    const [replica] = replicas;
    const own = `authorization: ${clients[0].authorization}`;
    const statusOf = async (...fields: string[]): Promise<number> => {
      const lines = [`GET ${pathOf('fields')} HTTP/1.1`, 'host: registry', 'connection: close', ...fields];
      const socket = replica.connect();
      socket.write(`${lines.join('\r\n')}\r\n\r\n`);
      const answer = await text(socket);
      return Number(answer.split(' ')[1]);
    };
    for (const isRemembered of [false, true]) {
      for (const [status, ...fields] of [
        [200, own, 'authorization: Bearer none'],
        [401, 'authorization: Bearer none', own],
        [304, own, `if-none-match: "${digest}"`],
        [200, own, 'if-none-match: "another"'],
      ] as const) {
        if (isRemembered) await warm('fields');
        else await replica.database.source.query(`SELECT pg_notify('sluice_reads', 'everything')`);
        await replica.settle();
        expect(await statusOf(...fields), `${isRemembered} ${fields.join()}`).toBe(status);
      }
    }
  });

  it('count what is remembered like what is looked up, once however often the metrics are read', async () => {
    const [replica] = replicas;
    const [client] = clients;
    await pushGreen('counted');
    const series = 'sluice_http_requests_total{route="/v2/*",method="GET",code="200"}';
    const counted = async (): Promise<number> => {
      const lines = (await replica.metrics.registry.metrics()).split('\n');
      return Number(lines.find((line) => line.startsWith(series))?.slice(series.length));
    };
    const before = await counted();
    for (let pulls = 1; pulls <= 3; pulls++) {
      await client.request('GET', pathOf('counted'));
      await vi.waitFor(async () => expect(await counted()).toBe(before + pulls));
    }
    expect(await counted()).toBe(before + 3);
  });

  it('quote the warning of the verdict that holds, also from memory', async () => {
    const digest = await pushGreen('amber');
    for (const message of ['scan: first', 'scan: second']) {
      await replicas[0].judge(REPOSITORY, digest, 'amber', message);
      for (const client of [...clients, ...clients]) {
        const { headers } = await client.request('GET', pathOf('amber'));
        expect(headers.get('warning')).toBe(`299 - "${message}"`);
      }
    }
  });

  it('follow a tag that was moved through the other one, at once', async () => {
    const digests = [await pushGreen('a'), await pushGreen('b')];
    await warm(...digests);
    const contents = await Promise.all(
      digests.map(async (digest) => (await clients[0].request('GET', pathOf(digest))).body),
    );
    const put = (replica: number, content: Buffer) =>
      clients[replica]!.request('PUT', pathOf('moving'), {
        headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
        body: content,
      });
    for (let round = 0; round < 40; round++) {
      const writer = round % 2;
      const next = contents[(round >> 1) % 2]!;
      expect((await put(writer, next)).status).toBe(201);
      const seen = await clients[1 - writer]!.request('GET', pathOf('moving'));
      expect(seen.headers.get('docker-content-digest')).toBe(digests[(round >> 1) % 2]);
      await clients[writer]!.request('GET', pathOf('moving'));
    }
  });

  it('say 404 as soon as the other one has acknowledged the delete of a tag or a manifest', async () => {
    for (let round = 0; round < 15; round++) {
      const digest = await pushGreen(`gone-${round}`);
      await warm(`gone-${round}`, digest);
      const [deleter, reader] = round % 2 === 0 ? clients : [clients[1], clients[0]];
      expect((await deleter.request('DELETE', pathOf(`gone-${round}`))).status).toBe(202);
      expect((await reader.request('HEAD', pathOf(`gone-${round}`))).status).toBe(404);
      expect((await reader.request('HEAD', pathOf(digest))).status).toBe(200);
      expect((await deleter.request('DELETE', pathOf(digest))).status).toBe(202);
      expect((await reader.request('HEAD', pathOf(digest))).status).toBe(404);
    }
  });

  it('refuse what has turned red, and what rules that have changed did not judge yet', async () => {
    const digest = await pushGreen('turns');
    await warm('turns', digest);
    await replicas[0].judge(REPOSITORY, digest, 'red', 'scan: bad');
    for (const client of clients) expect((await client.request('GET', pathOf('turns'))).status).toBe(403);
    await replicas[0].judge(REPOSITORY, digest, 'green', null);
    await warm('turns', digest);
    await replicas[0].database.source.query('UPDATE repository SET rules_revision = rules_revision + 1');
    await replicas[0].settle();
    // Nobody judges in this test, so the stale verdict stays what it is: pending, and hidden from who cannot push.
    await replicas[0].createUser('reader', { 'team/app': 'reporter' });
    for (const replica of replicas) {
      const reader = new TestClient(replica, 'reader');
      expect((await reader.request('GET', pathOf('turns'))).status).toBe(429);
    }
    await replicas[0].database.source.query('UPDATE repository SET rules_revision = 0');
  });

  it('give a blob from memory no longer than the image that brings it is let out, and is there', async () => {
    const image = await clients[0].pushImage(REPOSITORY, 'layers');
    const path = `/v2/${REPOSITORY}/blobs/${image.layer.digest}`;
    const statuses = () =>
      Promise.all(clients.map(async (client) => (await client.request('GET', path)).status));
    const lookUps = [0, 1].map((index) => vi.spyOn(replicas[index]!.reads, 'blob'));
    const judge = (state: 'green' | 'red') => replicas[0].judge(REPOSITORY, image.digest, state, null);
    const warmBlob = async (): Promise<void> => {
      await judge('green');
      expect(await statuses()).toEqual([200, 200]);
      for (const lookUp of lookUps) lookUp.mockClear();
      const [again] = await Promise.all(clients.map((client) => client.request('GET', path)));
      expect(again!.body).toEqual(image.content);
      for (const lookUp of lookUps) expect(lookUp).not.toHaveBeenCalled();
    };
    await warmBlob();
    await judge('red');
    expect(await statuses()).toEqual([403, 403]);
    await warmBlob();
    const [deleter, reader] = clients;
    expect((await deleter.request('DELETE', pathOf(image.digest))).status).toBe(202);
    const other = await clients[0].pushImage(REPOSITORY, 'other');
    await replicas[0].judge(REPOSITORY, other.digest, 'green', null);
    expect((await reader.request('GET', path)).status, 'nothing names it').not.toBe(403);
    expect((await deleter.request('DELETE', path)).status).toBe(202);
    expect((await reader.request('HEAD', path)).status).toBe(404);
    expect((await reader.request('GET', path)).status).toBe(404);
  });

  it('judge a blob by an image that names it from then on, though it was let out as that of another artifact', async () => {
    const [client] = clients;
    const blob = await client.pushBlob(REPOSITORY, randomBytes(50));
    const config = await client.pushBlob(REPOSITORY, '{}', 'application/vnd.oci.empty.v1+json');
    const artifact = {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      artifactType: 'application/x',
      config,
      layers: [{ ...blob, mediaType: 'application/x' }],
    };
    await client.putManifest(REPOSITORY, 'artifact', artifact);
    await replicas[0].judge(REPOSITORY, digestOf(JSON.stringify(artifact)), 'green', null);
    await replicas[0].createUser('puller', { 'team/app': 'reporter' });
    const statuses = async (): Promise<number[]> => {
      const pulls = replicas.map((replica) =>
        new TestClient(replica, 'puller').request('GET', `/v2/${REPOSITORY}/blobs/${blob.digest}`),
      );
      return (await Promise.all(pulls)).map(({ status }) => status);
    };
    for (let round = 0; round < 2; round++) expect(await statuses()).toEqual([200, 200]);
    const image = await client.pushImage(REPOSITORY, 'image', { layers: [blob] });
    expect(await statuses(), 'pending').toEqual([429, 429]);
    await replicas[0].judge(REPOSITORY, image.digest, 'red', 'scan: no');
    expect(await statuses()).toEqual([403, 403]);
  });

  it('forget a blob that is unlinked or condemned behind the registry', async () => {
    const { source } = replicas[0].database;
    const takings = {
      unlinked: `DELETE FROM repository_blob rb USING blob b WHERE b.id = rb.blob_id AND b.digest = $1`,
      condemned: `UPDATE blob SET state = 'condemned' WHERE digest = $1`,
    };
    for (const [tag, taking] of Object.entries(takings)) {
      const image = await clients[0].pushImage(REPOSITORY, tag);
      await replicas[0].judge(REPOSITORY, image.digest, 'green', null);
      const path = `/v2/${REPOSITORY}/blobs/${image.layer.digest}`;
      for (const client of [...clients, ...clients])
        expect((await client.request('GET', path)).status).toBe(200);
      await source.query(
        'DELETE FROM manifest_blob WHERE blob_id IN (SELECT id FROM blob WHERE digest = $1)',
        [image.layer.digest],
      );
      await source.query(taking, [image.layer.digest]);
      await replicas[0].settle();
      for (const client of clients) expect((await client.request('GET', path)).status, tag).toBe(404);
    }
  });

  it('refuse a token at once whose principal lost rights', async () => {
    await replicas[0].createUser('leaver', { 'team/app': 'reporter' });
    const first = await new TestClient(replicas[0], 'leaver').withToken(`repository:${REPOSITORY}:pull`);
    const second = new TestClient(replicas[1], null, first.authorization ?? '');
    await pushGreen('secret');
    for (const client of [first, second, first, second]) {
      expect((await client.request('GET', pathOf('secret'))).status).toBe(200);
    }
    await replicas[0].database.source.query(`UPDATE principal SET epoch = epoch + 1 WHERE name = 'leaver'`);
    await replicas[0].settle();
    for (const client of [first, second]) {
      expect((await client.request('GET', pathOf('secret'))).status).toBe(401);
    }
  });

  it('answer for a repository with a component `manifests` in its name as for any other', async () => {
    const repository = 'team/app/manifests/web';
    const dev = new TestClient(replicas[0], 'dev');
    const { digest, manifest } = await dev.pushImage(repository, 'v1');
    await replicas[0].judge(repository, digest, 'green', null);
    const client = await dev.withToken(`repository:${repository}:pull`, 'repository:team/app:pull');
    for (let time = 0; time < 3; time += 1) {
      const answer = await client.request('GET', `/v2/${repository}/manifests/v1`);
      expect([answer.status, answer.body.toString()]).toEqual([200, manifest]);
    }
  });

  it('remember nothing for those who may not pull: a token for another repository, a query, a part of a name', async () => {
    await pushGreen('mine');
    await warm('mine');
    await replicas[0].createProject('team/other');
    await replicas[0].createUser('stranger', { 'team/other': 'developer' });
    const stranger = await new TestClient(replicas[0], 'stranger').withToken('repository:team/other:pull');
    expect((await stranger.request('GET', pathOf('mine'))).status).toBe(401);
    expect((await new TestClient(replicas[0], null).request('GET', pathOf('mine'))).status).toBe(401);
    const [client] = clients;
    expect((await client.request('GET', `/v2/${REPOSITORY}/x/manifests/mine`)).status).toBe(401);
    expect((await client.request('GET', `/v2//${REPOSITORY}/manifests/mine`)).status).toBe(400);
    expect((await client.request('GET', `${pathOf('mine')}/`)).status).toBe(404);
    expect((await client.request('GET', `${pathOf('mine')}?x=1`)).status).toBe(200);
    const unchanged = await client.request('GET', pathOf('mine'), { headers: { 'if-none-match': '*' } });
    expect(unchanged.status).toBe(304);
  });
});
