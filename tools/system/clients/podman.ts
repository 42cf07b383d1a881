import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, assertEqual } from '../checklist.ts';
import type { Outcome } from '../run.ts';
import { type Cells, configFor, expectAccess, expectLogin, type Runner, slug } from './graph.ts';
import { LARGE_BYTES, writeFiles } from './large.ts';
import { expectManyTags, tagMany } from './many-tags.ts';
import { checkChunkedLayer } from './ranges.ts';
import { type Seed, seedRedirected } from './redirect.ts';
import { type Descriptor, DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from './sample.ts';
import type { Samples } from './samples.ts';
import type { World } from './world.ts';

interface Pulled {
  /** Digest of the config, without its algorithm. */
  readonly id: string;
  readonly digest: string;
  readonly diffIds: readonly string[];
}

/** Where the registry is, and the options of every command that goes there. */
interface Way {
  readonly reference: (repository: string) => string;
  readonly options: readonly string[];
}

interface Manifest {
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

const ZSTD_LAYER = 'application/vnd.oci.image.layer.v1.tar+zstd';
/** Kinds that they can pull and do not make. */
const PULLED = [
  'BuildKit',
  'BuildKit, OCI form',
  'eStargz',
  'sparse index',
  'nondistributable',
  'foreign layer',
];

/** podman and buildah: one storage and one way to registries, with commands of almost the same names. */
export class Podman implements Runner {
  readonly client: 'podman' | 'buildah';
  readonly cells: Cells;
  readonly #world: World;
  readonly #samples: Samples;

  constructor(world: World, samples: Samples, client: 'podman' | 'buildah') {
    this.client = client;
    this.#world = world;
    this.#samples = samples;
    const own = (name: string): string => `${client}/${name}`;
    const pulled = PULLED.map((name) => [name, () => this.#pullSeeds(name)]);
    this.cells = {
      ...(Object.fromEntries(pulled) as Cells),
      login: () => expectLogin(world, client, (user, password) => this.#login(user, password)),
      'Docker v2s2': () => this.#pushAndPull(own('v2s2'), DOCKER_MANIFEST, ['--format=v2s2']),
      'OCI image': () => this.#pushAndPull(own('oci'), OCI_MANIFEST, ['--format=oci']),
      'Docker list': () => this.#index(own('list'), DOCKER_LIST, 'v2s2'),
      'OCI index': () => this.#index(own('index'), OCI_INDEX, 'oci'),
      'schema 1 (refused)': () => this.#schema1(own('schema1')),
      zstd: () => this.#zstd(own('zstd')),
      'large, replica killed': () =>
        this.#pushAndPull(own('large'), OCI_MANIFEST, ['--format=oci'], LARGE_BYTES),
      'copy and mount': () => this.#copy(),
      'redirected pull': async () => this.#pull(await seedRedirected(world, client)),
      'private CA': () => this.#overTls(own('secure')),
      ...(client === 'podman'
        ? { 'zstd:chunked': () => this.#chunked(own('chunked')), 'many tags': () => this.#listTags() }
        : {}),
    };
  }

  #login(user: string, password: string): Promise<Outcome> {
    return this.#loginTo(this.#world.deployment.host, this.#plain, user, password);
  }

  #loginTo(host: string, { options }: Way, user: string, password: string): Promise<Outcome> {
    const login = ['login', ...options, '-u', user, '--password-stdin', host];
    return this.#world.attempt(this.client, this.client, [...this.#storage, ...login], { input: password });
  }

  async #overTls(repository: string): Promise<void> {
    const { host, caDirectory } = this.#world.secure;
    const way = {
      reference: (name: string) => this.#world.secureReference(name),
      options: ['--cert-dir', caDirectory],
    };
    await expectAccess(this.#world, this.client, (user, password) =>
      this.#loginTo(host, way, user, password),
    );
    await this.#pushAndPull(repository, OCI_MANIFEST, ['--format=oci'], 1_000, way);
  }

  /** An image of its own making goes there and back with the same layers. */
  async #pushAndPull(
    repository: string,
    mediaType: string,
    how: readonly string[],
    bytes = 1_000,
    way: Way = this.#plain,
  ): Promise<Manifest> {
    const reference = `${way.reference(repository)}:v1`;
    await this.#build(reference, bytes);
    const { diffIds } = await this.#inspect(reference);
    const digest = await this.#push([...way.options, ...how], reference);
    const stored = await this.#world.manifest(repository, 'v1');
    assertEqual([stored.digest, stored.mediaType], [digest, mediaType], `${repository} in the registry`);
    await this.#run('rmi', '--force', reference);
    await this.#run('pull', ...way.options, reference);
    const pulled = await this.#inspect(reference);
    const manifest = JSON.parse(stored.bytes.toString()) as Manifest;
    assertEqual([`sha256:${pulled.id}`, pulled.digest], [manifest.config.digest, digest], 'pulled image');
    assertEqual(pulled.diffIds, diffIds, 'layers of the pulled image');
    return manifest;
  }

  async #index(repository: string, mediaType: string, format: 'v2s2' | 'oci'): Promise<void> {
    const image = format === 'oci' ? OCI_MANIFEST : DOCKER_MANIFEST;
    const child = `${repository}-child`;
    await this.#pushAndPull(child, image, [`--format=${format}`]);
    const list = `localhost/${slug(repository)}:v1`;
    await this.#run('manifest', 'create', list);
    await this.#run(
      'manifest',
      'add',
      '--tls-verify=false',
      list,
      `docker://${this.#world.reference(child)}:v1`,
    );
    const to = `docker://${this.#world.reference(repository)}:v1`;
    await this.#run('manifest', 'push', '--all', '--tls-verify=false', `--format=${format}`, list, to);
    const { digest } = await this.#world.manifest(child, 'v1');
    const stored = await this.#world.manifest(repository, 'v1');
    assertEqual(stored.mediaType, mediaType, 'media type of the index');
    const { manifests } = JSON.parse(stored.bytes.toString()) as { manifests: Descriptor[] };
    assertEqual(
      manifests.map((each) => each.digest),
      [digest],
      'children of the index',
    );
    await this.#pullSeeds(format === 'oci' ? 'OCI index' : 'Docker list');
  }

  async #schema1(repository: string): Promise<void> {
    const reference = `${this.#world.reference(repository)}:v1`;
    await this.#build(reference, 100);
    const push = ['push', '--tls-verify=false', '--format=v2s1', reference];
    const outcome = await this.#world.attempt(this.client, this.client, [...this.#storage, ...push]);
    assert(outcome.code !== 0, 'a schema 1 manifest was accepted');
    assert(/manifest invalid/i.test(outcome.stderr), `schema 1 is answered with: ${outcome.stderr}`);
  }

  async #zstd(repository: string): Promise<void> {
    if (this.client === 'buildah') return this.#pullSeeds('zstd');
    const how = ['--format=oci', '--compression-format=zstd'];
    const { layers } = await this.#pushAndPull(repository, OCI_MANIFEST, how);
    assertEqual(new Set(layers.map(({ mediaType }) => mediaType)).size, 1, 'kinds of layers');
    assertEqual(layers[0]?.mediaType, ZSTD_LAYER, 'type of the layers');
    await this.#pullSeeds('zstd');
  }

  /** Pulled a second time by a storage that asks for the chunks it lacks, several ranges in one request. */
  async #chunked(repository: string): Promise<void> {
    const how = ['--format=oci', '--compression-format=zstd:chunked'];
    await this.#pushAndPull(repository, OCI_MANIFEST, how, 200_000);
    await checkChunkedLayer(this.#world, repository);
    const directory = this.#world.scratch(this.client);
    const config = join(directory, 'storage.conf');
    writeFileSync(
      config,
      `[storage]
driver = "overlay"
graphroot = "${directory}/root"
runroot = "${directory}/run"
[storage.options]
pull_options = {enable_partial_images = "true", use_hard_links = "false"}
`,
    );
    const reference = `${this.#world.reference(repository)}:v1`;
    const pull = ['--log-level=debug', 'pull', '--tls-verify=false', reference];
    const outcome = await this.#world.attempt(this.client, 'podman', pull, {
      env: { CONTAINERS_STORAGE_CONF: config },
    });
    assertEqual(outcome.code, 0, `podman pull: ${outcome.stderr.slice(-1_000)}`);
    assert(/Retrieved partial blob/.test(outcome.stderr), 'podman fetched the whole layer');
  }

  async #listTags(): Promise<void> {
    const repository = await tagMany(this.#world);
    const search = ['search', '--list-tags', '--tls-verify=false', '--limit=5000', '--format=json'];
    const [found] = JSON.parse(await this.#run(...search, repository)) as [{ Tags: string[] }];
    expectManyTags(found.Tags);
  }

  /** The copy is the same layers under another name; what they know of the first push lets them mount. */
  async #copy(): Promise<void> {
    await this.#pushAndPull(`${this.client}/from`, OCI_MANIFEST, ['--format=oci'], 5_000);
    const [from, to] = ['from', 'to'].map((name) => `${this.#world.reference(`${this.client}/${name}`)}:v1`);
    await this.#run('tag', from ?? '', to ?? '');
    await this.#push([...this.#plain.options, '--format=oci'], to ?? '');
    const [before, after] = await Promise.all(
      ['from', 'to'].map((name) => this.#world.manifestJson<Manifest>(`${this.client}/${name}`, 'v1')),
    );
    assertEqual(after?.config.digest, before?.config.digest, 'config of the copy');
    assertEqual(after?.layers, before?.layers, 'layers of the copy');
  }

  async #pullSeeds(name: string): Promise<void> {
    for (const [at, sample] of (this.#samples.get(name) ?? []).entries()) {
      const repository = await this.#world.seed(`${this.client}-${slug(name)}-${at}`, sample);
      await this.#pull({ sample, repository });
    }
  }

  async #pull({ sample, repository }: Seed): Promise<void> {
    const reference = `${this.#world.reference(repository)}:v1`;
    await this.#run('pull', '--tls-verify=false', reference);
    const { id } = await this.#inspect(reference);
    assertEqual(`sha256:${id}`, configFor(sample), 'id of the pulled image');
  }

  async #build(reference: string, bytes: number): Promise<void> {
    const directory = join(this.#world.scratch(this.client), 'files');
    mkdirSync(directory);
    writeFiles(directory, bytes);
    if (this.client === 'podman') {
      const archive = await this.#world.tar(directory, `${directory}.tar`);
      await this.#run('import', archive, reference);
      return;
    }
    const container = (await this.#run('from', 'scratch')).trim();
    await this.#run('copy', container, directory, '/data');
    await this.#run('commit', container, reference);
  }

  async #push(how: readonly string[], reference: string): Promise<string> {
    const file = join(this.#world.scratch(this.client), 'digest');
    await this.#run('push', '--digestfile', file, ...how, reference);
    return readFileSync(file, 'utf8').trim();
  }

  async #inspect(reference: string): Promise<Pulled> {
    if (this.client === 'podman') {
      const [image] = JSON.parse(await this.#run('image', 'inspect', reference)) as [
        { Id: string; Digest: string; RootFS: { Layers: string[] } },
      ];
      return { id: image.Id, digest: image.Digest, diffIds: image.RootFS.Layers };
    }
    const image = JSON.parse(await this.#run('inspect', '--type=image', reference)) as {
      FromImageID: string;
      FromImageDigest: string;
      OCIv1: { rootfs: { diff_ids: string[] } };
    };
    return { id: image.FromImageID, digest: image.FromImageDigest, diffIds: image.OCIv1.rootfs.diff_ids };
  }

  get #plain(): Way {
    return { reference: (name) => this.#world.reference(name), options: ['--tls-verify=false'] };
  }

  get #storage(): readonly string[] {
    const home = this.#world.home(this.client);
    return ['--root', join(home, 'root'), '--runroot', join(home, 'run'), '--storage-driver', 'vfs'];
  }

  #run(...args: readonly string[]): Promise<string> {
    return this.#world.run(this.client, this.client, [...this.#storage, ...args]);
  }
}
