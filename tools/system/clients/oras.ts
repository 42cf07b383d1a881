import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, assertEqual } from '../checklist.ts';
import type { Outcome } from '../run.ts';
import { CYCLONEDX, SPDX } from './artifact-kinds.ts';
import { type Cells, expectAccess, expectLogin, graphCells, type GraphClient, type Runner } from './graph.ts';
import { largeImage, ociImage } from './image-kinds.ts';
import { LARGE_BYTES } from './large.ts';
import { checkStargzLayer } from './ranges.ts';
import { expectManyTags, tagMany } from './many-tags.ts';
import { type Descriptor, expectLayout, OCI_INDEX, type Sample, writeLayout } from './sample.ts';
import type { Samples } from './samples.ts';
import { SCHEMA_1, SCHEMA_1_TYPE } from './schema1.ts';
import type { Signed } from './signed.ts';
import type { World } from './world.ts';

interface Discovered {
  readonly referrers?: readonly { readonly artifactType: string; readonly digest: string }[];
}

/** oras; helm and notation speak to a registry by the same code (oras-go). */
export class Oras implements GraphClient, Runner {
  readonly client = 'oras';
  readonly cells: Cells;
  readonly #world: World;
  readonly #signed: Signed;

  constructor(world: World, samples: Samples, signed: Signed) {
    this.#world = world;
    this.#signed = signed;
    const copied = graphCells(world, this, samples);
    this.cells = {
      ...copied,
      login: () => expectLogin(world, this.client, (user, password) => this.#login(user, password)),
      'schema 1 (refused)': () => this.#schema1(),
      eStargz: async () => {
        await copied['eStargz']?.();
        await checkStargzLayer(world, 'oras/estargz-0');
      },
      artifact: async () => {
        await copied['artifact']?.();
        await this.#pushFiles();
      },
      'artifact index': async () => {
        await copied['artifact index']?.();
        await this.#createIndex();
      },
      'with subject': async () => {
        await copied['with subject']?.();
        await this.#discoverSubject(samples);
      },
      SBOM: () => this.#attachSboms(),
      'cosign bundle': () => this.#copyReferrers('bundle'),
      Notation: () => this.#copyReferrers('notation'),
      'many tags': async () =>
        expectManyTags(
          (await this.#oras('repo', 'tags', '--plain-http', await tagMany(world))).trim().split('\n'),
        ),
      'sparse index': () => this.#sparse(samples),
      'large, replica killed': () => this.#large(),
      'copy and mount': () => this.#copy(samples),
      delete: () => this.#delete(),
      'private CA': () => this.#overTls(),
    };
  }

  async push(sample: Sample, repository: string): Promise<void> {
    const layout = writeLayout(this.#world.scratch(this.client), sample);
    await this.#oras('cp', '--from-oci-layout', '--to-plain-http', `${layout}:v1`, this.#remote(repository));
  }

  async pull(sample: Sample, repository: string): Promise<void> {
    const layout = this.#world.scratch(this.client);
    await this.#oras('cp', '--from-plain-http', '--to-oci-layout', this.#remote(repository), `${layout}:v1`);
    expectLayout(layout, sample);
  }

  #login(user: string, password: string): Promise<Outcome> {
    const login = ['login', '--plain-http', this.#world.deployment.host, '-u', user, '--password-stdin'];
    return this.#world.attempt(this.client, this.#world.program('oras'), login, { input: password });
  }

  async #schema1(): Promise<void> {
    const put = [
      'manifest',
      'push',
      '--plain-http',
      '--media-type',
      SCHEMA_1_TYPE,
      this.#remote('oras/schema1'),
      '-',
    ];
    const outcome = await this.#world.attempt(this.client, this.#world.program('oras'), put, {
      input: SCHEMA_1,
    });
    assert(outcome.code !== 0, 'a schema 1 manifest was accepted');
    assert(/manifest invalid/i.test(outcome.stderr), `schema 1 is answered with: ${outcome.stderr}`);
  }

  /** `oras push` with a config of a type of its own, and `oras pull` into files. */
  async #pushFiles(): Promise<void> {
    const [from, to] = [this.#world.scratch(this.client), this.#world.scratch(this.client)];
    writeFileSync(join(from, 'note.txt'), 'an artifact without a runtime\n');
    writeFileSync(join(from, 'config.json'), '{"example":true}');
    const config = ['--config', 'config.json:application/vnd.example.config.v1+json'];
    const push = ['push', '--plain-http', ...config, this.#remote('oras/files'), 'note.txt:text/plain'];
    await this.#world.run(this.client, this.#world.program('oras'), push, { cwd: from });
    const stored = await this.#world.manifestJson<{ config: Descriptor; layers: Descriptor[] }>(
      'oras/files',
      'v1',
    );
    assertEqual(stored.config.mediaType, 'application/vnd.example.config.v1+json', 'type of the config');
    assertEqual(stored.layers[0]?.mediaType, 'text/plain', 'type of the layer');
    await this.#oras('pull', '--plain-http', '-o', to, this.#remote('oras/files'));
    assertEqual(readFileSync(join(to, 'note.txt'), 'utf8'), 'an artifact without a runtime\n', 'pulled file');
  }

  async #createIndex(): Promise<void> {
    const repository = this.#world.reference('oras/files');
    const create = [
      'manifest',
      'index',
      'create',
      '--plain-http',
      '--artifact-type=application/vnd.example.set',
    ];
    await this.#oras(...create, `${repository}:set`, 'v1');
    const { mediaType } = await this.#world.manifest('oras/files', 'set');
    assertEqual(mediaType, OCI_INDEX, 'type of the index');
    const index = await this.#world.manifestJson<{ artifactType: string; manifests: Descriptor[] }>(
      'oras/files',
      'set',
    );
    const child = await this.#world.manifest('oras/files', 'v1');
    assertEqual(index.artifactType, 'application/vnd.example.set', 'artifactType of the index');
    assertEqual(
      index.manifests.map(({ digest }) => digest),
      [child.digest],
      'children of the index',
    );
  }

  /** `oras cp` brought the subject too; what the referrers API says of the artifact is what it is. */
  async #discoverSubject(samples: Samples): Promise<void> {
    const [sample] = samples.get('with subject') ?? [];
    const subject = sample?.beside?.at(-1);
    assert(sample !== undefined && subject !== undefined, 'the sample has a subject');
    const found = await this.#discover(`${this.#world.reference('oras/with-subject-0')}@${subject.digest}`);
    assertEqual(
      found.map(({ artifactType, digest }) => [artifactType, digest]),
      [['application/vnd.example.review', sample.root.digest]],
      'referrers',
    );
  }

  async #attachSboms(): Promise<void> {
    const directory = this.#world.scratch(this.client);
    await this.push(await ociImage('sbom'), 'oras/sbom');
    const documents = { 'application/spdx+json': SPDX, 'application/vnd.cyclonedx+json': CYCLONEDX };
    for (const [type, document] of Object.entries(documents)) {
      writeFileSync(join(directory, 'sbom.json'), JSON.stringify(document));
      const attach = [
        'attach',
        '--plain-http',
        '--artifact-type',
        type,
        this.#remote('oras/sbom'),
        `sbom.json:${type}`,
      ];
      await this.#world.run(this.client, this.#world.program('oras'), attach, { cwd: directory });
    }
    const found = await this.#discover(this.#remote('oras/sbom'));
    assertEqual(
      found.map(({ artifactType }) => artifactType).sort(),
      Object.keys(documents),
      'discovered types',
    );
    for (const { artifactType, digest } of found) {
      const to = join(directory, digest.slice(-8));
      mkdirSync(to);
      await this.#oras('pull', '--plain-http', '-o', to, `${this.#world.reference('oras/sbom')}@${digest}`);
      const pulled: unknown = JSON.parse(readFileSync(join(to, 'sbom.json'), 'utf8'));
      assertEqual(pulled, documents[artifactType as keyof typeof documents], `pulled ${artifactType}`);
    }
    const only = ['discover', '--plain-http', '--format', 'json', '--artifact-type', 'application/spdx+json'];
    const filtered = JSON.parse(await this.#oras(...only, this.#remote('oras/sbom'))) as Discovered;
    assertEqual(filtered.referrers?.length, 1, 'referrers of one type');
  }

  /** `oras cp -r` takes an image with what refers to it. */
  async #copyReferrers(kind: 'bundle' | 'notation'): Promise<void> {
    const { repository, digest } = await this.#signed.image(kind);
    const to = `oras/${kind}`;
    const copy = ['cp', '-r', '--from-plain-http', '--to-plain-http'];
    await this.#oras(...copy, this.#remote(repository), this.#remote(to));
    const [before, after] = [
      await this.#world.referrers(repository, digest),
      await this.#world.referrers(to, digest),
    ];
    assert(before.length > 0, 'the signed image has no referrers');
    const digests = (list: readonly Descriptor[]): string[] => list.map((each) => each.digest).sort();
    assertEqual(digests(after), digests(before), 'copied referrers');
  }

  async #sparse(samples: Samples): Promise<void> {
    for (const sample of samples.get('sparse index') ?? []) {
      const [, , image] = sample.contents;
      assert(image !== undefined, 'the sample has an image');
      const child: Sample = { root: image, contents: sample.contents.slice(0, 3) };
      await this.push(child, 'oras/sparse');
      const put = ['manifest', 'push', '--plain-http', this.#remote('oras/sparse'), '-'];
      const input = sample.root.bytes.toString();
      await this.#world.run(this.client, this.#world.program('oras'), put, { input });
      await this.#world.expectStored('oras/sparse', sample);
      const layout = this.#world.scratch(this.client);
      const pull = ['cp', '--platform=linux/amd64', '--from-plain-http', '--to-oci-layout'];
      await this.#oras(...pull, this.#remote('oras/sparse'), `${layout}:v1`);
      expectLayout(layout, child);
    }
  }

  async #large(): Promise<void> {
    const sample = await largeImage(LARGE_BYTES);
    await this.push(sample, 'oras/large');
    await this.#world.expectStored('oras/large', sample);
    await this.pull(sample, 'oras/large');
  }

  async #copy(samples: Samples): Promise<void> {
    for (const sample of samples.get('OCI index') ?? []) {
      await this.push(sample, 'oras/from');
      const copy = ['cp', '--from-plain-http', '--to-plain-http', '--no-tty'];
      const said = await this.#oras(...copy, this.#remote('oras/from'), this.#remote('oras/to'));
      assert(/Mounted/.test(said), `no blob was mounted: ${said}`);
      await this.#world.expectStored('oras/to', sample);
    }
  }

  async #delete(): Promise<void> {
    const repository = this.#world.reference('oras/to');
    await this.#oras('tag', '--plain-http', `${repository}:v1`, 'v2');
    await this.#oras('manifest', 'delete', '--plain-http', '--force', `${repository}:v1`);
    const tags = await this.#oras('repo', 'tags', '--plain-http', repository);
    assertEqual(tags.trim(), '', 'tags after deleting the manifest that both named');
  }

  async #overTls(): Promise<void> {
    const { host, caFile } = this.#world.secure;
    await expectAccess(this.#world, this.client, (user, password) => {
      const login = ['login', '--ca-file', caFile, host, '-u', user, '--password-stdin'];
      return this.#world.attempt(this.client, this.#world.program('oras'), login, { input: password });
    });
    const sample = await ociImage('oras, private CA');
    const reference = `${this.#world.secureReference('oras/secure')}:v1`;
    const from = writeLayout(this.#world.scratch(this.client), sample);
    const to = this.#world.scratch(this.client);
    await this.#oras('cp', '--from-oci-layout', '--to-ca-file', caFile, `${from}:v1`, reference);
    await this.#world.expectStored('oras/secure', sample);
    await this.#oras('cp', '--from-ca-file', caFile, '--to-oci-layout', reference, `${to}:v1`);
    expectLayout(to, sample);
  }

  async #discover(reference: string): Promise<readonly { artifactType: string; digest: string }[]> {
    const said = await this.#oras('discover', '--plain-http', '--format', 'json', reference);
    return (JSON.parse(said) as Discovered).referrers ?? [];
  }

  #remote(repository: string): string {
    return `${this.#world.reference(repository)}:v1`;
  }

  #oras(...args: readonly string[]): Promise<string> {
    return this.#world.run(this.client, this.#world.program('oras'), args);
  }
}
