import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, assertEqual } from '../checklist.ts';
import type { Outcome } from '../run.ts';
import { Containerd } from './containerd.ts';
import {
  type Cells,
  configFor,
  expectLogin,
  graphCells,
  type GraphClient,
  type Runner,
  slug,
} from './graph.ts';
import { largeImage, ociImage } from './image-kinds.ts';
import { LARGE_BYTES } from './large.ts';
import { type Sample, writeLayout } from './sample.ts';
import type { Samples } from './samples.ts';
import type { World } from './world.ts';

const SNAPSHOTTER = 'native';
/** What a runtime unpacks; everything else is fetched without. */
const RUNNABLE = [
  'Docker v2s2',
  'Docker list',
  'OCI image',
  'OCI index',
  'BuildKit',
  'BuildKit, OCI form',
  'zstd',
  'eStargz',
];

/** containerd's `ctr`. Kubernetes nodes, nerdctl and newer Docker speak to a registry by the same code. */
export class Ctr implements GraphClient, Runner {
  readonly client = 'ctr';
  readonly cells: Cells;
  readonly #world: World;
  readonly #daemon: Containerd;
  #namespaces = 0;

  private constructor(world: World, samples: Samples, daemon: Containerd) {
    this.#world = world;
    this.#daemon = daemon;
    const copied = graphCells(world, this, samples, ['nondistributable', 'foreign layer']);
    const unpacked = RUNNABLE.map((name) => [
      name,
      async () => {
        await copied[name]?.();
        for (const sample of samples.get(name) ?? []) await this.#unpack(name, sample);
      },
    ]);
    const pulled = ['nondistributable', 'foreign layer'].map((name) => [
      name,
      () => this.#pullForeign(name, samples),
    ]);
    this.cells = {
      ...copied,
      ...(Object.fromEntries([...unpacked, ...pulled]) as Cells),
      login: () => expectLogin(world, this.client, (user, password) => this.#fetch(user, password)),
      'sparse index': () => this.#pullSparse(samples),
      'large, replica killed': () => this.#large(),
      'private CA': () => this.#overTls(),
    };
  }

  static async start(world: World, samples: Samples): Promise<Ctr> {
    return new Ctr(world, samples, await Containerd.start());
  }

  stop(): Promise<void> {
    return this.#daemon.stop();
  }

  push(sample: Sample, repository: string): Promise<void> {
    return this.#push(sample, this.#world.reference(repository), ['--plain-http']);
  }

  pull(sample: Sample, repository: string): Promise<void> {
    return this.#pull(sample, `${this.#world.reference(repository)}:v1`, ['--plain-http']);
  }

  /** As on a node: a directory a registry, whose file names the CA. */
  async #overTls(): Promise<void> {
    const { host, caFile } = this.#world.secure;
    const hosts = this.#world.scratch(this.client);
    mkdirSync(join(hosts, host));
    writeFileSync(
      join(hosts, host, 'hosts.toml'),
      `[host."https://${host}"]\n  ca = ${JSON.stringify(caFile)}\n`,
    );
    const sample = await ociImage('ctr, private CA');
    const name = this.#world.secureReference('ctr/secure');
    await this.#push(sample, name, ['--hosts-dir', hosts]);
    await this.#world.expectStored('ctr/secure', sample);
    await this.#pull(sample, `${name}:v1`, ['--hosts-dir', hosts]);
  }

  /** An archive is imported with all its platforms, and pushed under the name that it got. */
  async #push(sample: Sample, name: string, way: readonly string[]): Promise<void> {
    const namespace = this.#newNamespace();
    const directory = this.#world.scratch(this.client);
    const layout = writeLayout(join(directory, 'layout'), sample);
    const archive = await this.#world.tar(layout, join(directory, 'layout.tar'));
    await this.#ctr(
      namespace,
      'images',
      'import',
      '--all-platforms',
      '--no-unpack',
      '--base-name',
      name,
      archive,
    );
    await this.#ctr(namespace, 'images', 'push', ...way, '--user', this.#user, `${name}:v1`);
  }

  async #pull(sample: Sample, reference: string, way: readonly string[]): Promise<void> {
    const namespace = this.#newNamespace();
    const fetch = ['content', 'fetch', ...way, '--user', this.#user, '--all-platforms', reference];
    await this.#ctr(namespace, ...fetch);
    await this.#expectContent(namespace, sample);
  }

  /** As a node pulls an image it is to run: one platform, unpacked. */
  async #unpack(name: string, sample: Sample): Promise<void> {
    const namespace = this.#newNamespace();
    const repository = await this.#world.seed(`run-${slug(name)}`, sample);
    const reference = `${this.#world.reference(repository)}:v1`;
    await this.#pullImage(namespace, reference);
    const [digest] =
      (await this.#ctr(namespace, 'images', 'ls', `name==${reference}`)).match(/sha256:[0-9a-f]{64}/) ?? [];
    assertEqual(digest, sample.root.digest, 'digest of the pulled image');
    const content = await this.#ctr(namespace, 'content', 'ls', '--quiet');
    assert(content.includes(configFor(sample)), 'the config was not pulled');
  }

  async #pullForeign(name: string, samples: Samples): Promise<void> {
    for (const sample of samples.get(name) ?? []) {
      const namespace = this.#newNamespace();
      const repository = await this.#world.seed(`ctr-${slug(name)}`, sample);
      await this.#pullImage(namespace, `${this.#world.reference(repository)}:v1`);
      await this.#expectContent(namespace, sample);
    }
  }

  /** containerd pushes whole indexes; it pulls what is there for its platform. */
  async #pullSparse(samples: Samples): Promise<void> {
    for (const sample of samples.get('sparse index') ?? []) {
      const namespace = this.#newNamespace();
      const repository = await this.#world.seed('sparse', sample);
      await this.#pullImage(namespace, `${this.#world.reference(repository)}:v1`);
      await this.#expectContent(namespace, sample);
    }
  }

  async #pullImage(namespace: string, reference: string): Promise<void> {
    const how = [
      '--plain-http',
      '--user',
      this.#user,
      '--platform',
      'linux/amd64',
      '--snapshotter',
      SNAPSHOTTER,
    ];
    await this.#ctr(namespace, 'images', 'pull', ...how, reference);
  }

  async #large(): Promise<void> {
    const sample = await largeImage(LARGE_BYTES);
    await this.push(sample, 'ctr/large');
    await this.#world.expectStored('ctr/large', sample);
    await this.pull(sample, 'ctr/large');
  }

  /** There is no login: every command is told who asks. */
  async #fetch(user: string, password: string): Promise<Outcome> {
    const repository = await this.#world.seed('login', await ociImage('login'));
    const how = ['content', 'fetch', '--plain-http', '--user', `${user}:${password}`];
    const reference = `${this.#world.reference(repository)}:v1`;
    return this.#world.attempt(this.client, 'ctr', [
      ...this.#global(this.#newNamespace()),
      ...how,
      reference,
    ]);
  }

  /** containerd has checked the digest of everything that it lists. */
  async #expectContent(namespace: string, { contents }: Sample): Promise<void> {
    const listed = await this.#ctr(namespace, 'content', 'ls', '--quiet');
    for (const { digest } of contents) assert(listed.includes(digest), `${digest} was not pulled`);
  }

  #newNamespace(): string {
    return `n${++this.#namespaces}`;
  }

  get #user(): string {
    const { user, password } = this.#world.accounts[this.client];
    return `${user}:${password}`;
  }

  #global(namespace: string): readonly string[] {
    return ['--address', this.#daemon.address, '--namespace', namespace];
  }

  #ctr(namespace: string, ...args: readonly string[]): Promise<string> {
    return this.#world.run(this.client, 'ctr', [...this.#global(namespace), ...args]);
  }
}
