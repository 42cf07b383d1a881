import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { buildImage, descriptor, sha256 } from '@sluice/testing';
import { zip } from '../../lib/zip.ts';
import { assert, type Checklist } from '../checklist.ts';
import { runSql } from '../platform-sql.ts';
import type { Arena } from './arena.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const REPOSITORY = 'hostile/app/process';

/** Attempts to end the process, to fill its memory or to keep it from answering. */
export async function attackProcess(arena: Arena, checklist: Checklist): Promise<void> {
  const { platform } = arena;
  const admin = arena.as('admin');
  const head = (method: string, path: string, ...lines: string[]): string =>
    [`${method} ${path} HTTP/1.1`, 'Host: x', `Authorization: ${admin}`, ...lines, '', ''].join('\r\n');
  const location = async (): Promise<string> =>
    (await arena.request('POST', `/v2/${REPOSITORY}/blobs/uploads/`, admin)).headers.get('location') ?? '';
  const check = (title: string, body: () => Promise<string | void>): Promise<void> =>
    checklist.check(title, async () => {
      const said = await body();
      const alive = await arena.alive();
      return said === undefined ? alive : `${said}; ${alive}`;
    });

  await check('connections that end at any byte of any request', async () => {
    const image = await arena.image();
    await arena.push(REPOSITORY, image, 'cut');
    const upload = await location();
    const body = 'x'.repeat(3_000);
    const requests = [
      head('GET', `/v2/${REPOSITORY}/manifests/cut`),
      head('GET', `/v2/${REPOSITORY}/blobs/${image.config.digest}`),
      head(
        'POST',
        `/v2/${REPOSITORY}/blobs/uploads/?digest=sha256:${'a'.repeat(64)}`,
        'Content-Length: 3000',
      ) + body,
      head('PATCH', upload, 'Content-Length: 3000') + body,
      head('PATCH', upload, 'Transfer-Encoding: chunked') + `bb8\r\n${body}\r\n0\r\n\r\n`,
      head('PUT', `${upload}?digest=sha256:${'a'.repeat(64)}`, 'Content-Length: 3000') + body,
      head('PUT', `/v2/${REPOSITORY}/manifests/x`, `Content-Type: ${MANIFEST}`, 'Content-Length: 3000') +
        body,
      head(
        'POST',
        '/service/token',
        'Content-Type: application/x-www-form-urlencoded',
        'Content-Length: 3000',
      ) + body,
      head('POST', '/api/v1/projects', 'Content-Type: application/json', 'Content-Length: 3000') + body,
      head('POST', '/api/v1/advisory-imports', 'Content-Type: application/zip', 'Content-Length: 3000') +
        body,
    ];
    let count = 0;
    for (const request of requests) {
      const cuts = Array.from({ length: 30 }, (_, index) => Math.floor((request.length * index) / 29));
      await Promise.all(
        cuts.map((length, index) =>
          arena.raw([request.slice(0, length)], { cutAfterMs: (index % 5) * 8, waitMs: 300 }),
        ),
      );
      count += cuts.length;
    }
    return `${count} connections`;
  });

  await check('uploads that break the rules of HTTP', async () => {
    const upload = await location();
    for (const [lines, rest] of [
      [['Transfer-Encoding: chunked'], 'zz\r\nx\r\n'],
      [['Transfer-Encoding: chunked'], 'ffffffffffffffffff\r\nx'],
      [['Transfer-Encoding: chunked'], '5;'.padEnd(20_000, 'e')],
      [['Transfer-Encoding: chunked', 'Content-Length: 5'], '5\r\nhello\r\n0\r\n\r\n'],
      [['Content-Length: 5', 'Content-Length: 6'], 'hello'],
      [['Content-Length: -1'], 'hello'],
      [['Content-Length: 99999999999999999999'], 'hello'],
      [['Content-Length: 5', 'Content-Range: 99999999999999999999-1'], 'hello'],
      [['Content-Length: 5', 'Content-Range: 0-4, 0-4'], 'hello'],
      [['Content-Length: 5', 'Content-Range: bytes 4-0/*'], 'hello'],
      [['Content-Encoding: gzip', 'Content-Length: 5'], 'hello'],
      [['Expect: 100-continue', 'Content-Length: 5'], ''],
      [['Expect: the-impossible', 'Content-Length: 5'], 'hello'],
      [['Upgrade: h2c', 'Connection: upgrade', 'Content-Length: 0'], ''],
      [[`X: ${'y'.repeat(70_000)}`], ''],
    ] as const) {
      for (const method of ['PATCH', 'PUT', 'POST']) {
        const answer = await arena.raw([head(method, upload, ...lines) + rest], { waitMs: 250 });
        assert(
          !answer.text.startsWith('HTTP/1.1 5'),
          `${method} ${lines.join()}: ${answer.text.slice(0, 200)}`,
        );
      }
    }
  });

  await check('paths, queries and headers out of hell', async () => {
    let count = 0;
    const parts = [
      '%00',
      '%0d%0aX:1',
      '..',
      '%2e%2e',
      '%2f',
      '\\',
      '%ff',
      '%c0%af',
      'ÄÖ',
      '__proto__',
      'constructor',
      ';a=b',
      '//',
      '%',
      '%zz',
      '💣',
    ];
    for (const part of parts) {
      const paths = [
        `/v2/${part}`,
        `/v2/${part}/manifests/x`,
        `/v2/hostile/app/${part}/tags/list`,
        `/v2/${REPOSITORY}/manifests/${part}`,
        `/v2/${REPOSITORY}/blobs/${part}`,
        `/v2/${REPOSITORY}/blobs/uploads/${part}`,
        `/v2/${REPOSITORY}/referrers/${part}`,
        `/v2/_catalog?n=1&last=${part}`,
        `/v2/${REPOSITORY}/tags/list?n=${part}`,
        `/v2/${REPOSITORY}/tags/list?n=1&last=${part}`,
        `/v2/${REPOSITORY}/referrers/sha256:${'a'.repeat(64)}?artifactType=${part}&last=${part}`,
        `/v2/${REPOSITORY}/blobs/uploads/?mount=${part}&from=${part}&digest-algorithm=${part}`,
        `/service/token?scope=${part}&service=${part}`,
        `/service/token?scope=repository:${part}:pull`,
        `/api/v1/projects?path=${part}&under=${part}`,
        `/api/v1/projects?after=${part}`,
        `/api/v1/projects/${part}`,
        `/api/v1/artifacts?repository=${part}`,
        `/api/v1/artifacts/art_${part}/verdict`,
        `/api/v1/resolve?ref=${part}`,
        `/api/v1/grants?node=${part}`,
        `/api/v1/access/explanation?action=${part}&node=${part}`,
        `/api/v1/access/explanation?principal=${part}&action=project.read&repository=${part}`,
        `/api/v1/denials?repository=${part}`,
        `/api/v1/audit-events?actor=${part}&action=${part}`,
        `/api/v1/jobs?kind=${part}&state=${part}`,
        `/api/v1/users/${part}`,
        `/api/v1/${part}`,
        `/${part}`,
      ];
      for (const path of paths) {
        for (const method of path.includes('uploads')
          ? ['GET', 'POST', 'PATCH', 'PUT', 'DELETE']
          : ['GET', 'HEAD', 'DELETE']) {
          const request = Buffer.from(head(method, path, 'Connection: close', 'Content-Length: 0'), 'utf8');
          const { text } = await arena.raw([request], { waitMs: 2_000 });
          assert(!text.startsWith('HTTP/1.1 5'), `${method} ${path}: ${text.slice(0, 900)}`);
          assert(!/\r\nX:/i.test(text), `${method} ${path} writes a header`);
          count += 1;
        }
      }
    }
    return `${count} requests, no 5xx`;
  });

  await check('credentials that are expensive to read', async () => {
    let slowest = 0;
    const values = [
      `Basic x${'='.repeat(60_000)}x`,
      `Basic ${'A'.repeat(60_000)}`,
      `Basic ${Buffer.from(`admin:${'x'.repeat(40_000)}`).toString('base64')}`,
      `Basic ${Buffer.from(`gitlab-ci:${'a.'.repeat(16_000)}`).toString('base64')}`,
      `Basic ${Buffer.from(`${':'.repeat(40_000)}`).toString('base64')}`,
      `Bearer slc_${'x'.repeat(60_000)}`,
      `Bearer ${'.'.repeat(60_000)}`,
      `Bearer${' '.repeat(60_000)}x y`,
      `${'a'.repeat(60_000)}`,
      `Digest ${'a="b",'.repeat(10_000)}`,
    ];
    for (const path of ['/v2/', '/service/token', '/api/v1/me']) {
      for (const value of values) {
        const at = performance.now();
        const { status } = await arena.request('GET', path, value);
        slowest = Math.max(slowest, performance.now() - at);
        assert(status === 401, `${value.slice(0, 20)} on ${path}: ${status}`);
      }
    }
    assert(slowest < 1_000, `the slowest took ${Math.round(slowest)} ms`);
    return `the slowest took ${Math.round(slowest)} ms`;
  });

  await check('500 pulls held at once, half of whose clients go away', async () => {
    await platform.api('POST', '/grants', { node: 'hostile/app', principal: 'reporter', role: 'reporter' });
    const body = JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: {
        mediaType: 'application/vnd.oci.image.config.v1+json',
        ...(await arena.blob(REPOSITORY, '{"never":"scanned"}')),
      },
      layers: [],
    });
    const digest = sha256(Buffer.from(body));
    await arena.request('PUT', `/v2/${REPOSITORY}/manifests/${digest}`, admin, {
      headers: { 'content-type': MANIFEST },
      body,
    });
    await setPending(arena, digest);
    const startedAt = Date.now();
    const authorization = arena.as('reporter');
    const answers = await Promise.all(
      Array.from({ length: 500 }, async (_, index) => {
        const signal = index % 2 === 0 ? AbortSignal.timeout(20 + index) : AbortSignal.timeout(30_000);
        return fetch(`${platform.url}/v2/${REPOSITORY}/manifests/${digest}`, {
          headers: { authorization },
          signal,
        }).then(
          async (answer) => (await answer.text(), answer.status),
          () => 0,
        );
      }),
    );
    const counts = new Map<number, number>();
    for (const status of answers) counts.set(status, (counts.get(status) ?? 0) + 1);
    assert(
      [...counts.keys()].every((status) => [0, 403, 429].includes(status)),
      JSON.stringify([...counts]),
    );
    return `${JSON.stringify([...counts])} in ${Date.now() - startedAt} ms`;
  });

  await check('bodies without end', async () => {
    const before = await memory(arena);
    const chunk = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    const results: string[] = [];
    for (const [path, type, authorization] of [
      ['/api/v1/projects', 'application/json', null],
      ['/api/v1/projects', 'application/zip', null],
      ['/api/v1/advisory-imports', 'application/zip', null],
      ['/api/v1/nowhere', 'application/zip', null],
      ['/service/token', 'application/x-www-form-urlencoded', null],
      ['/service/token', 'application/zip', null],
      ['/nowhere', 'text/plain', null],
      [`/v2/${REPOSITORY}/blobs/uploads/`, 'application/octet-stream', null],
      [`/v2/${REPOSITORY}/manifests/x`, MANIFEST, admin],
    ] as const) {
      const method = path.includes('manifests') ? 'PUT' : 'POST';
      const lines = [
        `${method} ${path} HTTP/1.1`,
        'Host: x',
        `Content-Type: ${type}`,
        'Transfer-Encoding: chunked',
        ...(authorization === null ? [] : [`Authorization: ${authorization}`]),
        '',
        '',
      ];
      const chunks = [lines.join('\r\n'), ...Array.from({ length: 400 }, () => chunk)];
      const { text, closed } = await arena.raw(chunks, { waitMs: 13_000, pauseMs: 1 });
      const status = /^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 'nothing';
      results.push(`${status}${closed ? '' : ' OPEN'}`);
      if (!closed) results.push(path);
    }
    const grown = (await memory(arena)) - before;
    assert(!results.some((text) => text.endsWith('OPEN')), `somebody reads for ever: ${results.join()}`);
    return `${results.join()}; grown by ${grown} MiB`;
  });

  await check('bodies that drip', async () => {
    for (const [path, type] of [
      ['/api/v1/projects', 'application/json'],
      ['/service/token', 'application/x-www-form-urlencoded'],
    ] as const) {
      const start = [
        `POST ${path} HTTP/1.1`,
        'Host: x',
        `Content-Type: ${type}`,
        'Content-Length: 1000',
        '',
        '{',
      ].join('\r\n');
      const { text, closed } = await arena.raw([start], { waitMs: 40_000 });
      assert(closed || text !== '', `${path} waits for ever`);
    }
  });

  await check('statements of 32 MiB that become gigabytes when they are parsed', async () => {
    const before = await memory(arena);
    const layers = [];
    for (const fill of ['{}', '[]', '""']) {
      const bytes = Buffer.from(
        `{"a":[${`${fill},`.repeat(10_900_000)}0],"s":"${randomBytes(4).toString('hex')}"}`,
      );
      const { digest, size } = await arena.blob(REPOSITORY, bytes);
      layers.push({ mediaType: 'application/vnd.in-toto+json', digest, size });
    }
    const config = {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      ...(await arena.blob(REPOSITORY, '{"x":1}')),
    };
    let slowest = 0;
    const puts = layers
      .flatMap((layer) => [layer, layer, layer])
      .map((layer, index) =>
        arena.request('PUT', `/v2/${REPOSITORY}/manifests/bomb${index}`, admin, {
          headers: { 'content-type': MANIFEST },
          body: JSON.stringify({
            schemaVersion: 2,
            mediaType: MANIFEST,
            config,
            layers: [layer],
            annotations: { i: `${index}` },
          }),
        }),
      );
    const watch = setInterval(() => {
      const at = performance.now();
      void fetch(`${platform.url}/livez`).then(
        () => (slowest = Math.max(slowest, performance.now() - at)),
        () => undefined,
      );
    }, 200);
    const answers = await Promise.all(puts);
    clearInterval(watch);
    const grown = (await memory(arena)) - before;
    assert(
      answers.every(({ status }) => status < 500),
      answers.map(({ status, text }) => `${status} ${text.slice(0, 80)}`).join(),
    );
    assert(slowest < 2_000, `others waited ${Math.round(slowest)} ms`);
    return `grown by ${grown} MiB, others waited at most ${Math.round(slowest)} ms`;
  });

  await check('a layer that unpacks to 20 GiB, and one that never ends a file', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1_048_576));
    const many = Buffer.concat(Array.from({ length: 320 }, () => bomb));
    const image = buildImage([
      {
        bytes: many,
        digest: sha256(many),
        diffId: sha256('x'),
        mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
      } as never,
    ]);
    await arena.push(REPOSITORY, image, 'bomb');
    await arena.idle(120);
    const answer = await arena.request('GET', `/v2/${REPOSITORY}/manifests/bomb`, arena.as('reporter'));
    assert(answer.status === 403, `${answer.status} ${answer.text.slice(0, 200)}`);
    return answer.text.slice(0, 160);
  });

  await check('archives of advisories that are bombs', async () => {
    const entry = (name: string, content: Buffer): Buffer => zip([{ name, content }]);
    const files = [
      Buffer.from('no zip at all'),
      entry('a.json', Buffer.alloc(400 * 1_048_576, 0x20)),
      entry(
        'b.json',
        Buffer.from(`{"id":"X","modified":"2026-01-01T00:00:00Z","affected":${'['.repeat(200_000)}`),
      ),
      entry('../../../../tmp/escape.json', Buffer.from('{}')),
      entry(
        'c.json',
        Buffer.from(
          `{"id":"Y","modified":"2026-01-01T00:00:00Z","affected":[{"package":{"ecosystem":"npm","name":"${'n'.repeat(1_000_000)}"}}]}`,
        ),
      ),
      entry(
        'd.json',
        Buffer.from('{"__proto__":{"polluted":1},"id":"Z\\u0000","modified":"2026-01-01T00:00:00Z"}'),
      ),
    ];
    const said: string[] = [];
    for (const body of files) {
      const answer = await arena.request('POST', '/api/v1/advisory-imports', admin, {
        headers: { 'content-type': 'application/zip' },
        body,
      });
      assert(
        answer.status === 202 || answer.status === 400 || answer.status === 415,
        `${answer.status} ${answer.text.slice(0, 200)}`,
      );
      said.push(String(answer.status));
    }
    await arena.idle(120);
    const jobs = await platform.api<{ items: { kind: string; state: string; error: string | null }[] }>(
      'GET',
      '/jobs?kind=advisories.import',
    );
    return `${said.join()} ${JSON.stringify(jobs.body.items.map(({ state, error }) => `${state} ${error?.slice(0, 60) ?? ''}`))}`;
  });

  await check('policies that are bombs', async () => {
    const documents = [
      'a: &a [x]\nb: [*a, *a]',
      '['.repeat(60_000),
      '{'.repeat(60_000),
      `- ${'- '.repeat(30_000)}x`,
      `${'a:\n '.repeat(20)}`,
      `"${'\\u0000'.repeat(5_000)}"`,
      '!!js/function "x"',
      `apiVersion: sluice.dev/v1\nkind: Policy\nmetadata: {name: ${'x'.repeat(60_000)}}\nspec: {rules: []}`,
      `${'?'.repeat(60_000)}`,
      `%YAML ${'1'.repeat(60_000)}`,
      `a: ${'|'.repeat(5_000)}`,
      `${' '.repeat(60_000)}a`,
      '\ufeff'.repeat(20_000),
      `x: "${'é'.repeat(20_000)}`,
      `{"__proto__":{"mode":"off"}}`,
      `a: ${'"'.repeat(60_000)}`,
      `${'[{'.repeat(30_000)}`,
      `${'a: {'.repeat(15_000)}`,
      `${'#'.repeat(60_000)}`,
      `- ${'&a '.repeat(20_000)}`,
    ];
    let slowest = 0;
    for (const document of documents) {
      const at = performance.now();
      const answer = await arena.request('PUT', '/api/v1/policies', admin, {
        body: { node: 'hostile/app', document },
      });
      slowest = Math.max(slowest, performance.now() - at);
      assert(
        answer.status === 400,
        `${document.slice(0, 40)}: ${answer.status} ${answer.text.slice(0, 200)}`,
      );
    }
    assert(slowest < 2_000, `the slowest took ${Math.round(slowest)} ms`);
    return `the slowest took ${Math.round(slowest)} ms`;
  });

  await check('manifests that are bombs', async () => {
    const config = {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      ...(await arena.blob(REPOSITORY, '{"y":1}')),
    };
    const wide = { schemaVersion: 2, mediaType: MANIFEST, config, layers: [] };
    const documents = [
      '['.repeat(4_000_000),
      `{"a":${'{"a":'.repeat(500_000)}`,
      `{"schemaVersion":2,"x":[${'{},'.repeat(1_390_000)}0]}`,
      `"${'\\\\'.repeat(2_000_000)}`,
      JSON.stringify({
        ...wide,
        annotations: Object.fromEntries(Array.from({ length: 150_000 }, (_, index) => [`k${index}`, 'v'])),
      }),
      JSON.stringify({ ...wide, layers: Array.from({ length: 10_001 }, () => config) }),
      JSON.stringify({
        ...wide,
        subject: { ...config, digest: `sha512:${'a'.repeat(128)}` },
        annotations: { '\ud800': '\u0000' },
      }),
    ];
    let slowest = 0;
    for (const body of documents) {
      const at = performance.now();
      const answer = await arena.request('PUT', `/v2/${REPOSITORY}/manifests/deep`, admin, {
        headers: { 'content-type': MANIFEST },
        body,
      });
      slowest = Math.max(slowest, performance.now() - at);
      assert(answer.status < 500, `${body.slice(0, 40)}: ${answer.status} ${answer.text.slice(0, 200)}`);
    }
    await arena.idle();
    return `the slowest took ${Math.round(slowest)} ms`;
  });

  await check('an index of 10,000 children, pushed again and again', async () => {
    const image = await arena.image();
    await arena.push(REPOSITORY, image, 'child');
    await arena.idle();
    const children = Array.from({ length: 10_000 }, (_, index) => ({
      ...descriptor(image.manifest),
      digest: index < 5_000 ? image.manifest.digest : sha256(`${index}`),
    }));
    const at = performance.now();
    for (let round = 0; round < 3; round += 1) {
      const answer = await arena.request('PUT', `/v2/${REPOSITORY}/manifests/wide${round}`, admin, {
        headers: { 'content-type': 'application/vnd.oci.image.index.v1+json' },
        body: JSON.stringify({
          schemaVersion: 2,
          mediaType: 'application/vnd.oci.image.index.v1+json',
          manifests: children.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
          annotations: { round: `${round}` },
        }),
      });
      assert(answer.status === 201, `${answer.status} ${answer.text.slice(0, 200)}`);
    }
    await arena.idle(120);
    const pull = await arena.request('GET', `/v2/${REPOSITORY}/manifests/wide0`, arena.as('reporter'));
    assert(pull.status === 403, `${pull.status}`);
    return `settled in ${Math.round(performance.now() - at)} ms`;
  });
}

/** Resident memory of the process in MiB, as it says itself. */
async function memory(arena: Arena): Promise<number> {
  const { text } = await arena.request('GET', '/metrics', null);
  return Math.round(Number(/^process_resident_memory_bytes (\S+)/m.exec(text)?.[1]) / 1_048_576);
}

/** Nothing in the API holds a verdict open, so that is done behind its back. */
async function setPending(arena: Arena, digest: string): Promise<void> {
  await arena.idle();
  await runSql(
    arena.platform,
    `UPDATE verdict SET state = 'pending' WHERE manifest_id IN (SELECT id FROM manifest WHERE digest = $1)`,
    [digest],
  );
}
