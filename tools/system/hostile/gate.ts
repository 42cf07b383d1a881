import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { descriptor, type Image } from '@sluice/testing';
import { bearer } from '../../lib/oci-push.ts';
import { assert, assertEqual, type Checklist } from '../checklist.ts';
import { importAdvisories } from '../fixtures.ts';
import type { Arena } from './arena.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const REPOSITORY = 'hostile/app/gate';
/** Refuses all that can run, and everything else that is not signed. */
const STRICT = `apiVersion: sluice.dev/v1
kind: Policy
metadata: {name: strict}
spec:
  rules:
    - {name: signed, kind: signature, keys: any}
`;

/** Attempts to get out what is not green: races, stale verdicts, shared content, games with kinds. */
export async function attackGate(arena: Arena, checklist: Checklist): Promise<void> {
  const { platform } = arena;
  await importAdvisories(platform);
  await arena.idle();
  const npm = (version: string): { path: string; content: string }[] => [
    { path: 'app/node_modules/minimist/package.json', content: `{"name":"minimist","version":"${version}"}` },
  ];
  const made = async (version: string, tag: string, repository = REPOSITORY): Promise<Image> => {
    const image = await arena.image(npm(version));
    await arena.push(repository, image, tag);
    return image;
  };
  const pull = async (path: string, method = 'GET', repository = REPOSITORY) =>
    arena.request(
      method,
      `/v2/${repository}/${path}`,
      await bearer(platform.url, arena.as('reporter'), `repository:${repository}:pull`),
    );
  const put = async (reference: string, document: object, type = MANIFEST, repository = REPOSITORY) => {
    const answer = await arena.request('PUT', `/v2/${repository}/manifests/${reference}`, arena.as('admin'), {
      headers: { 'content-type': type },
      body: JSON.stringify(document),
    });
    assert(answer.status === 201, `pushing ${reference}: ${answer.status} ${answer.text.slice(0, 200)}`);
    return answer.headers.get('docker-content-digest') ?? '';
  };

  await checklist.check('a tag that moves between green and red while it is pulled', async () => {
    const green = await made('1.2.8', 'moving');
    const red = await made('1.2.5', 'other');
    await arena.idle();
    assertEqual((await pull('manifests/moving')).status, 200, 'the green one');
    assertEqual((await pull('manifests/other')).status, 403, 'the red one');
    let running = true;
    const mover = (async () => {
      for (let round = 0; running; round += 1) {
        const { manifest } = round % 2 === 0 ? red : green;
        await arena.request('PUT', `/v2/${REPOSITORY}/manifests/moving`, arena.as('admin'), {
          headers: { 'content-type': manifest.mediaType },
          body: manifest.bytes,
        });
      }
    })();
    const authorization = await bearer(platform.url, arena.as('reporter'), `repository:${REPOSITORY}:pull`);
    let [allowed, refused] = [0, 0];
    const deadline = Date.now() + 5_000;
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        while (Date.now() < deadline) {
          const answer = await arena.request('GET', `/v2/${REPOSITORY}/manifests/moving`, authorization);
          if (answer.status === 200) {
            allowed += 1;
            assertEqual(answer.text, green.manifest.bytes.toString(), 'what was pulled');
            assertEqual(answer.headers.get('docker-content-digest'), green.manifest.digest, 'its digest');
          } else {
            refused += 1;
          }
        }
      }),
    ).finally(() => (running = false));
    await mover;
    assert(allowed > 0 && refused > 0, `${allowed} allowed, ${refused} refused`);
    return `${allowed} allowed, ${refused} refused`;
  });

  await checklist.check(
    'pulls while a policy becomes stricter, with hundreds of artifacts to be judged again',
    async () => {
      const repository = 'hostile/app/many';
      const empty = {
        mediaType: 'application/vnd.oci.empty.v1+json',
        ...(await arena.blob(repository, '{}')),
      };
      const digests: string[] = [];
      for (let index = 0; index < 300; index += 1) {
        const document = {
          schemaVersion: 2,
          mediaType: MANIFEST,
          artifactType: 'application/x',
          config: empty,
          layers: [empty],
          annotations: { n: `${index}` },
        };
        digests.push(await put(`n${index}`, document, MANIFEST, repository));
      }
      await arena.idle();
      const authorization = await bearer(platform.url, arena.as('reporter'), `repository:${repository}:pull`);
      const status = async (digest: string): Promise<number> =>
        (await arena.request('GET', `/v2/${repository}/manifests/${digest}`, authorization)).status;
      for (const digest of [digests[0], digests.at(-1)])
        assertEqual(await status(digest ?? ''), 200, 'before');
      const applied = await platform.api<{ id: string }>('PUT', '/policies', {
        node: 'hostile/app',
        document: STRICT,
      });
      const at = performance.now();
      const letOut = (await Promise.all(digests.map(status))).filter((each) => each === 200).length;
      await arena.idle();
      const after = (await Promise.all(digests.map(status))).filter((each) => each === 200).length;
      await platform.api('DELETE', `/policies/${applied.body.id}`);
      await arena.idle();
      assertEqual(after, 0, 'let out when everything was judged');
      assertEqual(
        letOut,
        0,
        `of 300 let out after the policy was answered as applied, in ${Math.round(performance.now() - at)} ms`,
      );
    },
  );

  await checklist.check(
    'the manifest of a red image is deleted, so that nothing names its layer',
    async () => {
      const red = await made('1.2.5', 'deleted');
      await arena.idle();
      const layer = red.layers[0]?.digest ?? '';
      assertEqual((await pull(`blobs/${layer}`)).status, 403, 'before');
      await arena.request('DELETE', `/v2/${REPOSITORY}/manifests/${red.manifest.digest}`, arena.as('admin'));
      for (const method of ['GET', 'HEAD']) {
        assert([403, 404].includes((await pull(`blobs/${layer}`, method)).status), `${method} of the layer`);
        assertEqual(
          (await pull(`manifests/${red.manifest.digest}`, method)).status,
          404,
          `${method} of the manifest`,
        );
      }
      await arena.push(REPOSITORY, red, 'deleted');
      await arena.idle();
      assertEqual((await pull('manifests/deleted')).status, 403, 'pushed again');
    },
  );

  await checklist.check(
    'the same bytes under other media types, in other repositories, again and again',
    async () => {
      const red = await made('1.2.5', 'types');
      const { mediaType: _, ...bare } = JSON.parse(red.manifest.bytes.toString()) as Record<string, unknown>;
      const types = [MANIFEST, 'application/vnd.docker.distribution.manifest.v2+json'];
      for (const [index, type] of types.entries()) {
        const digest = await put(`bare${index}`, bare, type);
        await arena.idle();
        assertEqual((await pull(`manifests/${digest}`)).status, 403, type);
      }
      for (const type of [
        INDEX,
        'application/vnd.docker.distribution.manifest.list.v2+json',
        'application/json',
        'text/plain',
      ]) {
        const answer = await arena.request('PUT', `/v2/${REPOSITORY}/manifests/bare`, arena.as('admin'), {
          headers: { 'content-type': type },
          body: JSON.stringify(bare),
        });
        assertEqual(answer.status, 400, type);
      }
    },
  );

  await checklist.check('a red image in an index in an index, and behind an attestation', async () => {
    const red = await made('1.2.5', 'inner');
    const green = await made('1.2.8', 'inner-green');
    const inTwo = (child: { digest: string; size: number; mediaType: string }, note: object = {}) => ({
      schemaVersion: 2,
      mediaType: INDEX,
      manifests: [
        descriptor(green.manifest),
        { mediaType: child.mediaType, digest: child.digest, size: child.size, ...note },
      ],
    });
    let child = { ...descriptor(red.manifest) } as { digest: string; size: number; mediaType: string };
    for (let depth = 0; depth < 12; depth += 1) {
      const document = inTwo(child, {
        platform: { os: 'unknown', architecture: 'unknown' },
        annotations: {
          'vnd.docker.reference.type': 'attestation-manifest',
          'vnd.docker.reference.digest': green.manifest.digest,
        },
      });
      child = {
        mediaType: INDEX,
        size: JSON.stringify(document).length,
        digest: await put(`depth${depth}`, document, INDEX),
      };
    }
    await arena.idle();
    for (const tag of ['depth0', 'depth5', 'depth11'])
      assertEqual((await pull(`manifests/${tag}`)).status, 403, tag);
    const absent = {
      schemaVersion: 2,
      mediaType: INDEX,
      manifests: [
        {
          mediaType: MANIFEST,
          digest: `sha256:${'9'.repeat(64)}`,
          size: 10,
          platform: { os: 'unknown', architecture: 'unknown' },
        },
      ],
    };
    await put('absent', absent, INDEX);
    await arena.idle();
  });

  await checklist.check('what a runtime could run, under every mask', async () => {
    const red = await made('1.2.5', 'mask');
    const base = JSON.parse(red.manifest.bytes.toString()) as { config: object; layers: object[] };
    const empty = { mediaType: 'application/vnd.oci.empty.v1+json', ...(await arena.blob(REPOSITORY, '{}')) };
    const masks: [string, object][] = [
      ['artifactType of a chart', { ...base, artifactType: 'application/vnd.cncf.helm.config.v1+json' }],
      ['artifactType of a signature', { ...base, artifactType: 'application/vnd.cncf.notary.signature' }],
      [
        'config in capitals',
        { ...base, config: { ...base.config, mediaType: 'APPLICATION/VND.OCI.IMAGE.CONFIG.V1+JSON' } },
      ],
      ['config of another type', { ...base, config: { ...base.config, mediaType: 'application/x' } }],
      [
        'config of Notation',
        { ...base, config: { ...base.config, mediaType: 'application/vnd.cncf.notary.signature' } },
      ],
      [
        'config {} as an image',
        { ...base, config: { ...empty, mediaType: 'application/vnd.oci.image.config.v1+json' } },
      ],
      [
        'layers that call themselves signatures',
        {
          ...base,
          layers: base.layers.map((layer) => ({
            ...layer,
            mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json',
          })),
        },
      ],
      [
        'layers that call themselves attestations',
        {
          ...base,
          layers: base.layers.map((layer) => ({ ...layer, mediaType: 'application/vnd.in-toto+json' })),
        },
      ],
      [
        'layers that call themselves bundles',
        {
          ...base,
          artifactType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
          layers: base.layers.map((layer) => ({
            ...layer,
            mediaType: 'application/vnd.dev.sigstore.bundle.v0.3+json',
          })),
        },
      ],
      [
        'layers of a foreign kind',
        {
          ...base,
          layers: base.layers.map((layer) => ({
            ...layer,
            mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
            urls: ['http://127.0.0.1:1/x'],
          })),
        },
      ],
      [
        'layers of an unknown kind',
        {
          ...base,
          layers: base.layers.map((layer) => ({
            ...layer,
            mediaType: 'application/vnd.oci.image.layer.v9.unknown',
          })),
        },
      ],
      ['a subject of its own', { ...base, subject: descriptor(red.manifest) }],
      ['no layers at all', { ...base, layers: [] }],
      [
        'the platform config of a plugin',
        { ...base, config: { ...base.config, mediaType: 'application/vnd.docker.plugin.v1+json' } },
      ],
      ['a config that is text', { ...base, config: { ...base.config, mediaType: 'text/html' } }],
      [
        'an image for Apptainer',
        {
          ...base,
          config: { ...empty, mediaType: 'application/vnd.sylabs.sif.config.v1+json' },
          layers: base.layers.map((layer) => ({
            ...layer,
            mediaType: 'application/vnd.sylabs.sif.layer.v1.sif',
          })),
        },
      ],
      [
        'a WebAssembly module',
        {
          ...base,
          config: { ...base.config, mediaType: 'application/vnd.wasm.config.v0+json' },
          layers: base.layers.map((layer) => ({ ...layer, mediaType: 'application/wasm' })),
        },
      ],
    ];
    const digests: [string, string][] = [];
    for (const [what, document] of masks) digests.push([what, await put(`mask${digests.length}`, document)]);
    await arena.idle();
    for (const [what, digest] of digests) assertEqual((await pull(`manifests/${digest}`)).status, 403, what);
    return `${masks.length} masks`;
  });

  await checklist.check('jobs that bring evidence are cancelled', async () => {
    const images = await Promise.all(
      Array.from({ length: 6 }, (_, index) => made('1.2.5', `cancel${index}`)),
    );
    for (let round = 0; round < 20; round += 1) {
      const { body } = await platform.api<{ items: { id: string }[] }>(
        'GET',
        '/jobs?state=queued,running&limit=100',
      );
      for (const { id } of body.items) await platform.api('POST', `/jobs/${id}/cancellation`);
    }
    await arena.idle();
    for (const [index, image] of images.entries()) {
      const answers = [
        await pull(`manifests/cancel${index}`),
        await pull(`blobs/${image.layers[0]?.digest}`),
      ];
      for (const { status } of answers) assert([403, 429].includes(status), `image ${index}: ${status}`);
    }
  });

  await checklist.check('a policy that the project applies does not soften that of the group', async () => {
    await made('1.2.5', 'soft');
    const soft =
      'apiVersion: sluice.dev/v1\nkind: Policy\nmetadata: {name: default}\nspec: {mode: "off", rules: [{name: scanned, kind: scan, onMissing: pass, noAdvisoryData: pass, allowedStates: [ok, findings, partial, unsupported, no-data, error]}]}';
    const answer = await arena.request('PUT', '/api/v1/policies', arena.as('maintainer'), {
      body: { node: 'hostile/app', document: soft },
    });
    assert(answer.status < 300, answer.text.slice(0, 200));
    await arena.idle();
    assertEqual((await pull('manifests/soft')).status, 403, 'pull');
  });

  await checklist.check('no secret was logged in all this, at the finest level', async () => {
    const log = platform.output;
    assert(log.includes('"level":"debug"'), 'nothing was logged at the level debug');
    const keys = readFileSync(join(platform.directory, 'data', 'postgres', 'password'), 'utf8').trim();
    for (const [what, pattern] of [
      ['a token of ours', /slc_(?:pat|rob|ref)_[0-9A-Za-z]{10}/],
      ['a JWT', /eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\./],
      ['a password', /the password of|system-test-password/],
      ['Basic credentials', /Basic [A-Za-z0-9+/]{12,}/],
      ['a hash of a password', /\$argon2/],
      ['a private key', /PRIVATE KEY/],
      ['the password of the database', new RegExp(keys.replace(/[^A-Za-z0-9]/g, '.'))],
    ] as const) {
      const found = pattern.exec(log);
      assert(
        found === null,
        `${what}: …${log.slice(Math.max(0, (found?.index ?? 0) - 200), (found?.index ?? 0) + 80)}…`,
      );
    }
    return `${log.length} characters`;
  });
}
