import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { assert, assertEqual } from '../checklist.ts';
import { DockerDaemon } from '../docker.ts';
import type { Outcome } from '../run.ts';
import { type Cells, configFor, expectAccess, expectLogin, type Runner, slug } from './graph.ts';
import { LARGE_BYTES, writeFiles } from './large.ts';
import { type Seed, seedRedirected } from './redirect.ts';
import { type Descriptor, DOCKER_LIST, DOCKER_MANIFEST } from './sample.ts';
import type { Samples } from './samples.ts';
import type { World } from './world.ts';

interface DockerManifest {
  readonly mediaType: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
}

interface DockerImage {
  readonly Id: string;
  readonly RepoDigests: readonly string[];
}

/** Kinds that Docker can pull and does not make. */
const PULLED = ['OCI image', 'OCI index', 'BuildKit', 'BuildKit, OCI form', 'eStargz', 'sparse index'];

/** docker with a daemon of its own and the classic image store, which makes schema 2 and nothing else. */
export class Docker implements Runner {
  readonly client = 'docker';
  readonly cells: Cells;
  readonly #world: World;
  readonly #daemon: DockerDaemon;

  private constructor(world: World, samples: Samples, daemon: DockerDaemon) {
    this.#world = world;
    this.#daemon = daemon;
    const pulled = PULLED.map((name) => [name, () => this.#pullSeeds(name, samples)]);
    this.cells = {
      ...(Object.fromEntries(pulled) as Cells),
      login: () => expectLogin(world, this.client, (user, password) => this.#login(user, password)),
      'Docker v2s2': () => this.#pushAndPull('docker/v2s2', 1_000),
      'Docker list': () => this.#list(samples),
      'large, replica killed': () => this.#pushAndPull('docker/large', LARGE_BYTES),
      'copy and mount': () => this.#mount(),
      'redirected pull': async () => this.#pull(await seedRedirected(world, this.client)),
      'private CA': () => this.#overTls(),
    };
  }

  static async start(world: World, samples: Samples): Promise<Docker> {
    return new Docker(world, samples, await DockerDaemon.start());
  }

  stop(): Promise<void> {
    return this.#daemon.stop();
  }

  #login(user: string, password: string, host = this.#world.deployment.host): Promise<Outcome> {
    const login = ['login', host, '-u', user, '--password-stdin'];
    return this.#attempt(login, { input: password });
  }

  /** An image of Docker's own making goes there and back; its id is the digest of the config. */
  async #pushAndPull(
    repository: string,
    bytes: number,
    reference = `${this.#world.reference(repository)}:v1`,
  ): Promise<string> {
    const id = await this.#import(reference, bytes);
    await this.#docker('push', reference);
    const stored = await this.#world.manifestJson<DockerManifest>(repository, 'v1');
    const { mediaType, digest } = await this.#world.manifest(repository, 'v1');
    assertEqual([mediaType, stored.mediaType], [DOCKER_MANIFEST, DOCKER_MANIFEST], 'media type');
    assertEqual(stored.config.digest, id, 'config in the registry');
    await this.#docker('rmi', '--force', reference);
    await this.#docker('pull', reference);
    await this.#expectImage(reference, id, digest);
    return digest;
  }

  /** The daemon looks for CAs in a directory that is named after the registry. */
  async #overTls(): Promise<void> {
    const { host, caFile } = this.#world.secure;
    const directory = join('/etc/docker/certs.d', host);
    mkdirSync(directory, { recursive: true });
    try {
      copyFileSync(caFile, join(directory, 'ca.crt'));
      await expectAccess(this.#world, this.client, (user, password) => this.#login(user, password, host));
      const repository = 'docker/secure';
      await this.#pushAndPull(repository, 1_000, `${this.#world.secureReference(repository)}:v1`);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }

  async #list(samples: Samples): Promise<void> {
    const digest = await this.#pushAndPull('docker/list-child', 1_000);
    const [child, list] = ['docker/list-child', 'docker/list'].map((name) => this.#world.reference(name));
    await this.#docker('tag', `${child}:v1`, `${list}:amd64`);
    await this.#docker('push', `${list}:amd64`);
    await this.#docker('manifest', 'create', '--insecure', `${list}:v1`, `${list}:amd64`);
    await this.#docker(
      'manifest',
      'annotate',
      '--arch',
      'amd64',
      '--os',
      'linux',
      `${list}:v1`,
      `${list}:amd64`,
    );
    await this.#docker('manifest', 'push', '--insecure', `${list}:v1`);
    const { mediaType } = await this.#world.manifest('docker/list', 'v1');
    assertEqual(mediaType, DOCKER_LIST, 'media type of the list');
    const { manifests } = await this.#world.manifestJson<{ manifests: Descriptor[] }>('docker/list', 'v1');
    assertEqual(
      manifests.map((each) => each.digest),
      [digest],
      'children of the list',
    );
    await this.#pullSeeds('Docker list', samples);
  }

  /** The daemon knows where it pushed a layer before, and mounts it from there. */
  async #mount(): Promise<void> {
    await this.#pushAndPull('docker/from', 5_000);
    const [from, to] = ['docker/from', 'docker/to'].map((name) => `${this.#world.reference(name)}:v1`);
    await this.#docker('tag', from ?? '', to ?? '');
    const said = await this.#docker('push', to ?? '');
    assert(/Mounted from clients\/docker\/from/.test(said), `docker push says: ${said}`);
    const [before, after] = [
      await this.#world.manifest('docker/from', 'v1'),
      await this.#world.manifest('docker/to', 'v1'),
    ];
    assertEqual(after.digest, before.digest, 'digest of the copy');
  }

  async #pullSeeds(name: string, samples: Samples): Promise<void> {
    for (const [at, sample] of (samples.get(name) ?? []).entries()) {
      const repository = await this.#world.seed(`docker-${slug(name)}-${at}`, sample);
      await this.#pull({ sample, repository });
    }
  }

  async #pull({ sample, repository }: Seed): Promise<void> {
    const reference = `${this.#world.reference(repository)}:v1`;
    await this.#docker('pull', '--platform=linux/amd64', reference);
    await this.#expectImage(reference, configFor(sample), sample.root.digest);
  }

  async #expectImage(reference: string, id: string, digest: string): Promise<void> {
    const [image] = JSON.parse(await this.#docker('image', 'inspect', reference)) as [DockerImage];
    const { Id: found, RepoDigests: digests } = image;
    assertEqual(found, id, 'id of the pulled image');
    assert(
      digests.some((each) => each.endsWith(`@${digest}`)),
      `${digest} is not among ${digests.join(' ')}`,
    );
  }

  async #import(reference: string, bytes: number): Promise<string> {
    const directory = this.#world.scratch(this.client);
    writeFiles(directory, bytes);
    const archive = await this.#world.tar(directory, `${directory}.tar`);
    return (await this.#docker('import', archive, reference)).trim();
  }

  #attempt(args: readonly string[], options: { input?: string } = {}): Promise<Outcome> {
    return this.#world.attempt(this.client, 'docker', [...this.#daemon.global, ...args], options);
  }

  #docker(...args: readonly string[]): Promise<string> {
    return this.#world.run(this.client, 'docker', [...this.#daemon.global, ...args]);
  }
}
