import { assert, type Checklist } from '../checklist.ts';
import type { Answer, Arena } from './arena.ts';

/** What one may not see must answer like what is not there: the same status, the same words, about the same time. */
export async function attackOracles(arena: Arena, checklist: Checklist): Promise<void> {
  const { platform } = arena;
  const hidden = 'hostile/app/hidden';
  const missing = 'hostile/app/gone00';
  const nowhere = 'nowhere/app/gone00';
  const image = await arena.image();
  await arena.push(hidden, image, 'v1');
  await arena.idle();
  const stranger = arena.as('stranger');
  const unknownDigest = `sha256:${'ab'.repeat(32)}`;
  const layer = image.layers[0]?.digest ?? '';

  /** The answer without what the question itself put into it. */
  const told = (answer: Answer, words: readonly string[]): string =>
    words.reduce(
      (text, word) => text.replaceAll(word, '…'),
      `${answer.status} ${answer.headers.get('www-authenticate') ?? ''} ${answer.text.replace(/"(requestId|instance)":"[^"]*"/g, '')}`,
    );

  await checklist.check('hidden and missing repositories on /v2, for a stranger and for nobody', async () => {
    let count = 0;
    const pairs = (repository: string, digest: string, blob: string): [string, string][] => [
      ['GET', `/v2/${repository}/manifests/v1`],
      ['HEAD', `/v2/${repository}/manifests/v1`],
      ['GET', `/v2/${repository}/manifests/${digest}`],
      ['PUT', `/v2/${repository}/manifests/v1`],
      ['DELETE', `/v2/${repository}/manifests/${digest}`],
      ['GET', `/v2/${repository}/blobs/${blob}`],
      ['HEAD', `/v2/${repository}/blobs/${blob}`],
      ['DELETE', `/v2/${repository}/blobs/${blob}`],
      ['GET', `/v2/${repository}/tags/list`],
      ['GET', `/v2/${repository}/referrers/${digest}`],
      ['POST', `/v2/${repository}/blobs/uploads/`],
      ['POST', `/v2/${repository}/blobs/uploads/?mount=${blob}&from=${hidden}`],
      ['GET', `/v2/${repository}/blobs/uploads/00000000-0000-7000-8000-000000000000`],
    ];
    const there = pairs(hidden, image.manifest.digest, layer);
    for (const other of [missing, nowhere]) {
      const gone = pairs(other, unknownDigest, unknownDigest);
      for (const [index, [method, path]] of there.entries()) {
        const [, otherPath] = gone[index] ?? ['', ''];
        for (const authorization of [stranger, null]) {
          const words = [hidden, other, image.manifest.digest, layer, unknownDigest];
          const a = told(await arena.request(method, path, authorization), words);
          const b = told(await arena.request(method, otherPath, authorization), words);
          assert(a === b, `${method} ${path}:\n${a}\n${otherPath}:\n${b}`);
          count += 1;
        }
      }
    }
    return `${count} pairs`;
  });

  await checklist.check('hidden and missing things on /api/v1, by id, path and name', async () => {
    const get = <T>(path: string): Promise<T> => platform.api<T>('GET', path).then(({ body }) => body);
    const first = async (path: string): Promise<string> =>
      (await get<{ items: { id: string }[] }>(path)).items[0]?.id ?? '';
    const artifact = await get<{ id: string }>(`/resolve?ref=${hidden}:v1`);
    const verdict = await get<{ id: string }>(`/artifacts/${artifact.id}/verdict`);
    const policy = await platform.api<{ id: string }>('PUT', '/policies', {
      node: 'hostile/app',
      document:
        'apiVersion: sluice.dev/v1\nkind: Policy\nmetadata: {name: quiet}\nspec: {mode: "off", rules: [{name: s, kind: scan}]}',
    });
    const robot = await platform.api<{ id: string }>('POST', '/robots', {
      node: 'hostile/app',
      name: 'oracle',
      role: 'reporter',
    });
    const ids: Record<string, string> = {
      projects: await first('/projects?path=hostile/app'),
      groups: await first('/groups?path=hostile'),
      artifacts: artifact.id,
      verdicts: verdict.id,
      repositories: await first('/repositories?project=hostile/app'),
      robots: robot.body.id,
      grants: await first('/grants?node=hostile/app'),
      policies: policy.body.id,
      jobs: await first('/jobs'),
      users: await first('/users'),
    };
    const suffixes = ['', '/verdict', '/evidence', '/findings', '/sbom', '/versions', '/secrets'];
    let count = 0;
    for (const [resource, id] of Object.entries(ids)) {
      assert(id !== '', `no ${resource} to ask for`);
      const never = `${id.slice(0, 4)}${'0'.repeat(32)}`;
      for (const suffix of suffixes) {
        for (const method of suffix === '' ? ['GET', 'PATCH', 'DELETE'] : ['GET']) {
          for (const authorization of [stranger, null]) {
            const a = told(await arena.request(method, `/api/v1/${resource}/${id}${suffix}`, authorization), [
              id,
              never,
            ]);
            const b = told(
              await arena.request(method, `/api/v1/${resource}/${never}${suffix}`, authorization),
              [id, never],
            );
            assert(a === b, `${method} ${resource}${suffix}:\n${a}\n${b}`);
            assert(!a.startsWith('2'), `${method} ${resource}${suffix} answers ${a.slice(0, 120)}`);
            count += 1;
          }
        }
      }
    }
    const questions: ((what: { node: string; repository: string }) => [string, string, object?])[] = [
      ({ node }) => ['GET', `/grants?node=${node}`],
      ({ node }) => ['GET', `/robots?node=${node}`],
      ({ node }) => ['GET', `/ci-bindings?node=${node}`],
      ({ node }) => ['GET', `/trusted-keys?node=${node}`],
      ({ node }) => ['GET', `/policies?node=${node}`],
      ({ node }) => ['GET', `/denials?node=${node}`],
      ({ node }) => ['GET', `/repositories?project=${node}`],
      ({ node }) => ['GET', `/projects?path=${node}`],
      ({ node }) => ['GET', `/projects?under=${node}`],
      ({ node }) => ['GET', `/access/explanation?action=repository.pull&node=${node}`],
      ({ repository }) => ['GET', `/access/explanation?action=repository.pull&repository=${repository}`],
      ({ repository }) => [
        'GET',
        `/access/explanation?action=repository.pull&principal=owner&repository=${repository}`,
      ],
      ({ repository }) => ['GET', `/artifacts?repository=${repository}`],
      ({ repository }) => ['GET', `/denials?repository=${repository}`],
      ({ repository }) => ['GET', `/resolve?ref=${repository}:v1`],
      ({ repository }) => ['GET', `/resolve?ref=${repository}@${image.manifest.digest}`],
      ({ node }) => ['POST', '/grants', { node, principal: 'stranger', role: 'guest' }],
      ({ node }) => ['POST', '/robots', { node, name: 'x', role: 'guest' }],
      ({ node }) => [
        'POST',
        '/ci-bindings',
        { node, gitlabProjectId: '1', gitlabProjectPath: 'a/b', role: 'guest' },
      ],
      ({ node }) => ['POST', '/trusted-keys', { node, name: 'x', pem: 'x' }],
      ({ node }) => ['PUT', '/policies', { node, document: 'x' }],
      ({ node }) => ['POST', '/projects', { path: node }],
      ({ node }) => ['POST', '/projects', { path: `${node}/below` }],
    ];
    const there = { node: 'hostile/app', repository: hidden };
    for (const gone of [
      { node: 'hostile/none', repository: 'hostile/none/x' },
      { node: 'absent/none', repository: 'absent/none/x' },
    ]) {
      for (const question of questions) {
        const words = [there.repository, gone.repository, there.node, gone.node];
        const ask = async (what: typeof there): Promise<string> => {
          const [method, path, body] = question(what);
          return told(
            await arena.request(method, `/api/v1${path}`, stranger, body === undefined ? {} : { body }),
            words,
          );
        };
        const [a, b] = [await ask(there), await ask(gone)];
        const [method, path] = question(there);
        assert(a === b, `${method} ${path}:\n${a}\n${b}`);
        count += 1;
      }
    }
    return `${count} pairs`;
  });

  await checklist.check('tokens for hidden and missing repositories, and what they open', async () => {
    const ask = async (repository: string, authorization: string | null): Promise<[string, string]> => {
      const scope = `repository:${repository}:pull,push,delete`;
      const answer = await arena.request('GET', `/service/token?service=x&scope=${scope}`, authorization);
      const { token = '' } = JSON.parse(answer.text) as { token?: string };
      const claims = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString();
      return [`${answer.status} ${claims.replace(/"(jti|iat|nbf|exp)":("[^"]*"|\d+)/g, '')}`, token];
    };
    for (const authorization of [stranger, null]) {
      const [claims, token] = await ask(hidden, authorization);
      for (const other of [missing, nowhere]) {
        const [otherClaims, otherToken] = await ask(other, authorization);
        assert(claims === otherClaims, `${hidden}: ${claims}\n${other}: ${otherClaims}`);
        for (const path of [
          'manifests/v1',
          'tags/list',
          `blobs/${layer}`,
          `referrers/${image.manifest.digest}`,
        ]) {
          const words = [hidden, other];
          const a = told(await arena.request('GET', `/v2/${hidden}/${path}`, `Bearer ${token}`), words);
          const b = told(await arena.request('GET', `/v2/${other}/${path}`, `Bearer ${otherToken}`), words);
          assert(a === b, `${path} with a token:\n${a}\n${b}`);
        }
      }
    }
  });

  await checklist.check('the time that hidden and missing things take', async () => {
    const theirs = await arena.blob('foreign/app/secret', 'a secret of some length');
    const developer = arena.as('developer');
    const own = '/v2/hostile/app/own/blobs/uploads/';
    const scope = '/service/token?service=x&scope=repository:';
    const said: string[] = [];
    for (const [method, a, b, authorization] of [
      ['GET', `/v2/${hidden}/manifests/v1`, `/v2/${missing}/manifests/v1`, stranger],
      ['GET', `/v2/${hidden}/blobs/${layer}`, `/v2/${nowhere}/blobs/${unknownDigest}`, stranger],
      ['GET', `/v2/${hidden}/tags/list`, `/v2/${missing}/tags/list`, stranger],
      ['GET', `/v2/${hidden}/referrers/${layer}`, `/v2/${missing}/referrers/${unknownDigest}`, stranger],
      ['POST', `/v2/${hidden}/blobs/uploads/`, `/v2/${missing}/blobs/uploads/`, stranger],
      ['GET', `${scope}${hidden}:pull`, `${scope}${missing}:pull`, stranger],
      ['GET', `/api/v1/resolve?ref=${hidden}:v1`, `/api/v1/resolve?ref=${nowhere}:v1`, stranger],
      ['POST', `${own}?mount=${theirs.digest}`, `${own}?mount=${unknownDigest}`, developer],
      [
        'POST',
        `${own}?mount=${theirs.digest}&from=foreign/app/secret`,
        `${own}?mount=${unknownDigest}&from=nowhere/at/all`,
        developer,
      ],
    ] as const) {
      const times: [number[], number[]] = [[], []];
      for (let round = 0; round < 60; round += 1) {
        // In turns, so that whatever else the machine does falls on both.
        for (const [at, path] of [a, b].entries()) {
          const startedAt = performance.now();
          await arena.request(method, path, authorization);
          times[at]?.push(performance.now() - startedAt);
        }
      }
      const [first = 0, second = 0] = times.map((all) => all.toSorted((x, y) => x - y)[30] ?? 0);
      said.push(`${first.toFixed(1)} and ${second.toFixed(1)} ms`);
      // On a busy machine both take long, and so does what falls between them.
      const noise = Math.max(5, Math.min(first, second) / 3);
      assert(Math.abs(first - second) < noise, `${method} ${a}: ${first} ms, ${b}: ${second} ms`);
    }
    return said.join('; ');
  });

  await checklist.check(
    'lists show a stranger, nobody and a limited secret nothing that is hidden',
    async () => {
      const limited = await platform.api<{ secret: string }>('POST', '/robots', {
        node: 'hostile/other',
        name: 'narrow',
        role: 'developer',
        scopes: ['repository:hostile/other/only:pull'],
      });
      const robot = `Basic ${Buffer.from(`robot:${limited.body.secret}`).toString('base64')}`;
      for (const authorization of [stranger, null, robot]) {
        for (const path of [
          '/projects',
          '/groups',
          '/repositories',
          '/artifacts',
          '/trusted-keys',
          '/policies',
          '/denials',
          '/me',
          '/tokens',
          '/users',
          '/jobs',
          '/audit-events',
        ]) {
          const { text } = await arena.request(
            'GET',
            `/api/v1${path}?${path === '/me' ? '' : 'limit=100'}`,
            authorization,
          );
          assert(!/hostile\/app|foreign|hidden/.test(text), `${path}: ${text.slice(0, 300)}`);
        }
        const catalog = await arena.request('GET', '/v2/_catalog', authorization);
        assert(!/hostile|foreign/.test(catalog.text), `catalog: ${catalog.text.slice(0, 300)}`);
      }
    },
  );
}
