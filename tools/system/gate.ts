/** `npm run test:gate`: attacks on the gate; prints attack -> answer. None may end with content or a green verdict. */
import { buildIndex, descriptor, type Image } from '@sluice/testing';
import { assert, assertEqual, Checklist } from './checklist.ts';
import { type Answer, FIXED, imageWith, VULNERABLE, World } from './gate/world.ts';
import { loseAdvisories } from './gate/lose-advisories.ts';

const IMAGE_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const EMPTY = {
  mediaType: 'application/vnd.oci.empty.v1+json',
  digest: 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
  size: 2,
};
const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';

const checklist = new Checklist('test:gate');
const world = await World.create();

/** Refused by the gate, with a reason and a place to read more. */
function refused(answer: Answer, ...statuses: number[]): string {
  assert(
    statuses.includes(answer.status),
    `${answer.status} instead of ${statuses.join(' or ')}: ${answer.text.slice(0, 300)}`,
  );
  const message = /"message":"([^"]*)"/.exec(answer.text)?.[1] ?? '';
  return `${answer.status}${message === '' ? '' : ` ${message.slice(0, 110)}`}`;
}

async function notGreen(repository: string, reference: string): Promise<string> {
  const state = await world.settled(repository, reference);
  assert(state === 'red' || state === 'pending', `the verdict is ${state}`);
  return state;
}

async function pushed(repository: string, version: string, tag: string): Promise<Image> {
  const image = await imageWith(version);
  await world.push(repository, image, tag);
  await world.settled(repository, tag);
  return image;
}

try {
  const open = 'gate/open/app';
  const signed = 'gate/signed/app';
  const red = await pushed(open, VULNERABLE, 'red');
  const green = await pushed(open, FIXED, 'green');
  const redLayer = red.layers[0]?.digest ?? '';

  await checklist.check('(control) a green image is pulled: manifest, config, layer', async () => {
    assertEqual(await world.settled(open, 'green'), 'green', 'verdict');
    for (const path of [
      'manifests/green',
      `blobs/${green.config.digest}`,
      `blobs/${green.layers[0]?.digest}`,
    ]) {
      assertEqual((await world.read('GET', open, path)).status, 200, path);
    }
  });
  for (const method of ['GET', 'HEAD']) {
    for (const [what, path] of [
      ['a red image by tag', 'manifests/red'],
      ['a red image by digest', `manifests/${red.manifest.digest}`],
      ['the layer of a red image', `blobs/${redLayer}`],
      ['the config of a red image', `blobs/${red.config.digest}`],
    ]) {
      await checklist.check(`${method} ${what}`, async () =>
        refused(await world.read(method, open, path ?? ''), 403),
      );
    }
  }
  await checklist.check('the layer of a red image, asked by somebody who may push', async () =>
    refused(await world.readAsPusher('GET', open, `blobs/${redLayer}`), 403),
  );
  await checklist.check('the manifest of a red image, asked by somebody who may push', async () =>
    refused(await world.readAsPusher('GET', open, 'manifests/red'), 403),
  );
  for (const agent of [
    'cosign/v3.1.2',
    'notation/1.3',
    'harbor-scanner-adapter',
    'containerd/2.3',
    'skopeo/1.22',
    'Sluice',
  ]) {
    await checklist.check(`a red image as User-Agent ${agent}`, async () =>
      refused(await world.read('GET', open, 'manifests/red', { 'user-agent': agent }), 403),
    );
  }
  await checklist.check('a range of a red layer', async () =>
    refused(await world.read('GET', open, `blobs/${redLayer}`, { range: 'bytes=0-9' }), 403),
  );
  await checklist.check('a red manifest with If-None-Match', async () =>
    refused(
      await world.read('GET', open, 'manifests/red', { 'if-none-match': `"${red.manifest.digest}"` }),
      403,
    ),
  );
  await checklist.check('a red manifest with ?ns= of another registry', async () =>
    refused(await world.read('GET', open, 'manifests/red?ns=docker.io'), 403),
  );

  await checklist.check('a red image under the tag of a green one', async () => {
    await world.push(open, green, 'moving');
    await world.push(open, red, 'moving');
    return refused(await world.read('GET', open, 'manifests/moving'), 403);
  });

  await checklist.check('an index with a red child', async () => {
    const index = buildIndex([
      { image: green, architecture: 'amd64' },
      { image: red, architecture: 'arm64' },
    ]);
    await world.pushJson(open, INDEX, JSON.parse(index.bytes.toString()), 'index');
    await notGreen(open, 'index');
    return refused(await world.read('GET', open, 'manifests/index'), 403);
  });
  await checklist.check('the red child of that index, by digest', async () =>
    refused(await world.read('GET', open, `manifests/${red.manifest.digest}`), 403),
  );
  await checklist.check('an index of an index with a red child', async () => {
    const inner = await world.platform.api<{ digest: string; size: number }>(
      'GET',
      `/resolve?ref=${open}:index`,
    );
    await world.pushJson(
      open,
      INDEX,
      {
        schemaVersion: 2,
        mediaType: INDEX,
        manifests: [{ mediaType: INDEX, digest: inner.body.digest, size: inner.body.size }],
      },
      'outer',
    );
    await notGreen(open, 'outer');
    return refused(await world.read('GET', open, 'manifests/outer'), 403);
  });
  await checklist.check('a red child dressed as an attestation of BuildKit', async () => {
    const child = {
      ...descriptor(red.manifest),
      platform: { os: 'unknown', architecture: 'unknown' },
      annotations: {
        'vnd.docker.reference.type': 'attestation-manifest',
        'vnd.docker.reference.digest': green.manifest.digest,
      },
    };
    const index = {
      schemaVersion: 2,
      mediaType: INDEX,
      manifests: [{ ...descriptor(green.manifest), platform: { os: 'linux', architecture: 'amd64' } }, child],
    };
    await world.pushJson(open, INDEX, index, 'dressed');
    await notGreen(open, 'dressed');
    return refused(await world.read('GET', open, 'manifests/dressed'), 403);
  });

  for (const [what, extra] of [
    ['with the artifactType of a signature', { artifactType: BUNDLE }],
    ['with a subject, as if it were a signature', { subject: descriptor(green.manifest) }],
    [
      'with the annotations of a signature',
      {
        artifactType: BUNDLE,
        annotations: {
          'dev.sigstore.bundle.content': 'dsse-envelope',
          'dev.sigstore.bundle.predicateType': 'https://sigstore.dev/cosign/sign/v1',
        },
      },
    ],
  ] as const) {
    await checklist.check(`a runnable red image ${what}`, async () => {
      const manifest = { ...(JSON.parse(red.manifest.bytes.toString()) as object), ...extra };
      const digest = await world.pushJson(open, IMAGE_MANIFEST, manifest);
      await notGreen(open, digest);
      return refused(await world.read('GET', open, `manifests/${digest}`), 403);
    });
  }
  await checklist.check('a runnable red image under the config type of an artifact', async () => {
    const manifest = JSON.parse(red.manifest.bytes.toString()) as { config: object };
    const digest = await world.pushJson(open, IMAGE_MANIFEST, {
      ...manifest,
      config: { ...manifest.config, mediaType: 'application/vnd.example.config+json' },
    });
    await notGreen(open, digest);
    return refused(await world.read('GET', open, `manifests/${digest}`), 403);
  });
  await checklist.check('a red image as Docker schema 2', async () => {
    const layer = red.layers[0];
    assert(layer !== undefined, 'the image has a layer');
    const manifest = {
      schemaVersion: 2,
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      config: { ...descriptor(red.config), mediaType: 'application/vnd.docker.container.image.v1+json' },
      layers: [{ ...descriptor(layer), mediaType: 'application/vnd.docker.image.rootfs.diff.tar.gzip' }],
    };
    await world.pushJson(open, manifest.mediaType, manifest, 'docker');
    await notGreen(open, 'docker');
    return refused(await world.read('GET', open, 'manifests/docker'), 403);
  });
  await checklist.check('the layer of a red image, named by an artifact beside it', async () => {
    await world.pushContent(open, '{}');
    const manifest = {
      schemaVersion: 2,
      mediaType: IMAGE_MANIFEST,
      artifactType: 'application/vnd.example',
      config: EMPTY,
      layers: [
        { mediaType: 'application/octet-stream', digest: redLayer, size: red.layers[0]?.bytes.length },
      ],
    };
    const digest = await world.pushJson(open, IMAGE_MANIFEST, manifest);
    await world.settled(open, digest);
    return refused(await world.read('GET', open, `blobs/${redLayer}`), 403);
  });

  await checklist.check('a red layer, mounted into another project', async () => {
    const other = 'gate/other/app';
    const mount = await world.readAsPusher('POST', other, `blobs/uploads/?mount=${redLayer}&from=${open}`);
    assert(mount.status === 202, `mounting answered ${mount.status}`);
    return `mount ${mount.status}, then ${refused(await world.read('GET', other, `blobs/${redLayer}`), 403, 404)}`;
  });
  await checklist.check('a layer that no manifest names yet', async () => {
    const { digest } = await world.pushContent('gate/other/app', 'loose bytes');
    return refused(await world.read('GET', 'gate/other/app', `blobs/${digest}`), 403);
  });
  await checklist.check('what cannot be read as a layer', async () => {
    const image = await imageWith(FIXED);
    const broken = Buffer.from('this is no gzip');
    const { digest, size } = await world.pushContent(open, broken);
    await world.pushContent(open, image.config.bytes);
    const manifest = {
      ...(JSON.parse(image.manifest.bytes.toString()) as object),
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip', digest, size }],
    };
    await world.pushJson(open, IMAGE_MANIFEST, manifest, 'broken');
    await notGreen(open, 'broken');
    return refused(await world.read('GET', open, 'manifests/broken'), 403);
  });

  const unsigned = await pushed(signed, FIXED, 'unsigned');
  await checklist.check('an unsigned image where a signature is demanded', async () => {
    await notGreen(signed, 'unsigned');
    return refused(await world.read('GET', signed, 'manifests/unsigned'), 403, 429);
  });
  const good = await pushed(signed, FIXED, 'good');
  await world.sign(signed, good.manifest.digest, 'release');
  await checklist.check('(control) signed by the trusted key it is pulled', async () => {
    assertEqual(await world.settled(signed, 'good'), 'green', 'verdict');
    assertEqual((await world.read('GET', signed, 'manifests/good')).status, 200, 'pull');
  });
  await checklist.check('signed by another key', async () => {
    const image = await pushed(signed, FIXED, 'stranger');
    await world.sign(signed, image.manifest.digest, 'stranger');
    await notGreen(signed, 'stranger');
    return refused(await world.read('GET', signed, 'manifests/stranger'), 403, 429);
  });
  await checklist.check('a valid signature of another digest, copied to its tag', async () => {
    const sigTag = (digest: string): string => `${digest.replace(':', '-')}.sig`;
    const legacy = await world.readAsPusher('GET', signed, `manifests/${sigTag(good.manifest.digest)}`);
    assertEqual(legacy.status, 200, 'reading the legacy signature');
    await world.pushJson(signed, IMAGE_MANIFEST, JSON.parse(legacy.text), sigTag(unsigned.manifest.digest));
    await notGreen(signed, 'unsigned');
    return refused(await world.read('GET', signed, 'manifests/unsigned'), 403, 429);
  });
  await checklist.check('a valid bundle of another digest, attached as referrer', async () => {
    const referrers = await world.readAsPusher('GET', signed, `referrers/${good.manifest.digest}`);
    const [bundle] = (JSON.parse(referrers.text) as { manifests: { digest: string }[] }).manifests;
    const manifest = JSON.parse(
      (await world.readAsPusher('GET', signed, `manifests/${bundle?.digest}`)).text,
    ) as object;
    await world.pushJson(signed, IMAGE_MANIFEST, { ...manifest, subject: descriptor(unsigned.manifest) });
    await notGreen(signed, 'unsigned');
    return refused(await world.read('GET', signed, 'manifests/unsigned'), 403, 429);
  });
  await checklist.check('an attestation by the trusted key in place of a signature', async () => {
    const image = await pushed(signed, FIXED, 'attested');
    await world.attest(signed, image.manifest.digest, 'release');
    await notGreen(signed, 'attested');
    return refused(await world.read('GET', signed, 'manifests/attested'), 403, 429);
  });
  await checklist.check('a bundle that is no signature at all', async () => {
    const image = await pushed(signed, FIXED, 'nonsense');
    await world.pushContent(signed, '{}');
    const blob = await world.pushContent(
      signed,
      '{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}',
    );
    await world.pushJson(signed, IMAGE_MANIFEST, {
      schemaVersion: 2,
      mediaType: IMAGE_MANIFEST,
      artifactType: BUNDLE,
      config: EMPTY,
      layers: [{ mediaType: BUNDLE, ...blob }],
      subject: descriptor(image.manifest),
    });
    await notGreen(signed, 'nonsense');
    return refused(await world.read('GET', signed, 'manifests/nonsense'), 403, 429);
  });
  await checklist.check('the trusted key is removed', async () => {
    const keys = await world.platform.api<{ items: { id: string }[] }>(
      'GET',
      '/trusted-keys?node=gate/signed',
    );
    await world.platform.api('DELETE', `/trusted-keys/${keys.body.items[0]?.id}`);
    await notGreen(signed, 'good');
    return refused(await world.read('GET', signed, 'manifests/good'), 403, 429);
  });

  await checklist.check('nobody: no credentials, for red and for green alike', async () => {
    for (const path of ['manifests/red', 'manifests/green', `blobs/${redLayer}`]) {
      assertEqual((await world.request('GET', `/v2/${open}/${path}`, {})).status, 401, path);
    }
    return '401';
  });
  await checklist.check('every refusal is on the list of denials and in the audit log', async () => {
    const denials = await world.platform.api<{ items: { reason: string }[] }>(
      'GET',
      `/denials?repository=${open}&limit=200`,
    );
    assert(denials.body.items.length > 20, `only ${denials.body.items.length} denials are listed`);
    const audit = await world.platform.api<{ items: unknown[] }>(
      'GET',
      '/audit-events?action=artifact.pull&limit=200',
    );
    assert(audit.body.items.length > 20, `only ${audit.body.items.length} denials are audited`);
    return `${denials.body.items.length} denials`;
  });

  await checklist.check('all advisory data is removed behind the back of the platform', async () => {
    await loseAdvisories(world.platform);
    await world.push(open, red, 'again');
    const fresh = await pushed(open, VULNERABLE, 'without-data');
    await notGreen(open, 'red');
    await notGreen(open, fresh.manifest.digest);
    return `${refused(await world.read('GET', open, 'manifests/red'), 403)}; new: ${refused(await world.read('GET', open, 'manifests/without-data'), 403)}`;
  });
  await checklist.check('the scanner is stopped', async () => {
    await world.platform.stop();
    await world.platform.launch({ SLUICE_SCANNER_CONCURRENCY: '0' });
    const image = await imageWith(FIXED);
    await world.push(open, image, 'unscanned');
    const answer = await world.read('GET', open, 'manifests/unscanned');
    assert(answer.headers.has('retry-after'), 'no Retry-After');
    return `${refused(answer, 429)}; blob ${refused(await world.read('GET', open, `blobs/${image.config.digest}`), 429)}`;
  });
} finally {
  await world.remove();
}
checklist.finish();
