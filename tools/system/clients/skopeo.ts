import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import type { Outcome } from '../run.ts';
import { assert, assertEqual } from '../checklist.ts';
import { type Cells, expectAccess, expectLogin, graphCells, type GraphClient, type Runner } from './graph.ts';
import { imageWithHistory, largeImage, ociImage } from './image-kinds.ts';
import { LARGE_BYTES } from './large.ts';
import { checkChunkedLayer } from './ranges.ts';
import { expectManyTags, tagMany } from './many-tags.ts';
import { expectDirectory, type Sample, writeDirectory, writeLayout } from './sample.ts';
import type { Samples } from './samples.ts';
import type { World } from './world.ts';

/** skopeo; podman and buildah speak to a registry by the same code (containers/image). */
export class Skopeo implements GraphClient, Runner {
  readonly client = 'skopeo';
  readonly cells: Cells;
  readonly #world: World;

  constructor(world: World, samples: Samples) {
    this.#world = world;
    this.cells = {
      ...graphCells(world, this, samples, [
        'nested index',
        'BuildKit, OCI form',
        'SOCI v2',
        'artifact index',
      ]),
      login: () => expectLogin(world, this.client, (user, password) => this.#login(user, password)),
      'schema 1 (refused)': () => this.#schema1(),
      'zstd:chunked': () => this.#chunked(),
      'many tags': () => this.#listTags(),
      'sparse index': () => this.#sparse(samples),
      'large, replica killed': () => this.#large(),
      'copy and mount': () => this.#copy(samples),
      delete: () => this.#delete(),
      'private CA': () => this.#overTls(),
    };
  }

  async push(sample: Sample, repository: string): Promise<void> {
    const directory = writeDirectory(this.#world.scratch(this.client), sample);
    await this.#copyAll(`dir:${directory}`, this.#remote(repository));
  }

  async pull(sample: Sample, repository: string): Promise<void> {
    const directory = this.#world.scratch(this.client);
    await this.#copyAll(this.#remote(repository), `dir:${directory}`);
    expectDirectory(directory, sample);
    const raw = await this.#skopeo('inspect', '--tls-verify=false', '--raw', this.#remote(repository));
    assertEqual(raw, sample.root.bytes.toString(), 'skopeo inspect --raw');
  }

  #login(user: string, password: string): Promise<Outcome> {
    const login = [
      'login',
      '--tls-verify=false',
      '-u',
      user,
      '--password-stdin',
      this.#world.deployment.host,
    ];
    return this.#world.attempt(this.client, 'skopeo', login, { input: password });
  }

  async #schema1(): Promise<void> {
    const layout = writeLayout(this.#world.scratch(this.client), await imageWithHistory());
    const copy = ['copy', '--dest-tls-verify=false', '--format=v2s1', `oci:${layout}:v1`];
    const outcome = await this.#world.attempt(this.client, 'skopeo', [
      ...copy,
      this.#remote('skopeo/schema1'),
    ]);
    assert(outcome.code !== 0, 'a schema 1 manifest was accepted');
    assert(/manifest invalid/i.test(outcome.stderr), `schema 1 is answered with: ${outcome.stderr}`);
  }

  /** Made by skopeo itself; then its parts are asked for in one request, as a lazy puller does. */
  async #chunked(): Promise<void> {
    const layout = writeLayout(this.#world.scratch(this.client), await ociImage('chunked'));
    const target = this.#remote('skopeo/chunked');
    const how = ['--dest-compress-format=zstd:chunked', '--dest-tls-verify=false', '--format=oci'];
    await this.#skopeo('copy', '--dest-compress', ...how, `oci:${layout}:v1`, target);
    await checkChunkedLayer(this.#world, 'skopeo/chunked');
    const directory = this.#world.scratch(this.client);
    await this.#copyAll(target, `dir:${directory}`);
    const pulled = readFileSync(join(directory, 'manifest.json'));
    const { bytes } = await this.#world.manifest('skopeo/chunked', 'v1');
    assert(pulled.equals(bytes), 'the pulled manifest is another');
  }

  async #listTags(): Promise<void> {
    const repository = await tagMany(this.#world);
    const said = await this.#skopeo('list-tags', '--tls-verify=false', `docker://${repository}`);
    expectManyTags((JSON.parse(said) as { Tags: string[] }).Tags);
  }

  /** The index alone comes after its one child. */
  async #sparse(samples: Samples): Promise<void> {
    for (const sample of samples.get('sparse index') ?? []) {
      const repository = 'skopeo/sparse';
      const [, , image] = sample.contents;
      assert(image !== undefined, 'the sample has an image');
      const child: Sample = { root: image, contents: sample.contents.slice(0, 3) };
      await this.push(child, repository);
      const directory = writeDirectory(this.#world.scratch(this.client), sample);
      const only = ['copy', '--multi-arch=index-only', '--preserve-digests', '--dest-tls-verify=false'];
      await this.#skopeo(...only, `dir:${directory}`, this.#remote(repository));
      await this.#world.expectStored(repository, sample);
      const pulled = this.#world.scratch(this.client);
      await this.#skopeo(
        'copy',
        '--override-arch=amd64',
        '--src-tls-verify=false',
        this.#remote(repository),
        `dir:${pulled}`,
      );
      expectDirectory(pulled, child);
    }
  }

  async #large(): Promise<void> {
    const sample = await largeImage(LARGE_BYTES);
    await this.push(sample, 'skopeo/large');
    await this.#world.expectStored('skopeo/large', sample);
    await this.pull(sample, 'skopeo/large');
  }

  /** skopeo remembers where it saw a blob and mounts it from there. */
  async #copy(samples: Samples): Promise<void> {
    for (const sample of samples.get('OCI index') ?? []) {
      await this.push(sample, 'skopeo/from');
      await this.#copyAll(this.#remote('skopeo/from'), this.#remote('skopeo/to'));
      await this.#world.expectStored('skopeo/to', sample);
    }
  }

  async #delete(): Promise<void> {
    await this.#skopeo('delete', '--tls-verify=false', this.#remote('skopeo/to'));
    const inspect = ['inspect', '--tls-verify=false', '--raw', this.#remote('skopeo/to')];
    const gone = await this.#world.attempt(this.client, 'skopeo', inspect);
    assert(gone.code !== 0 && /manifest unknown/.test(gone.stderr), `after its deletion: ${gone.stderr}`);
  }

  async #overTls(): Promise<void> {
    const { host, caDirectory } = this.#world.secure;
    await expectAccess(this.#world, this.client, (user, password) => {
      const login = ['login', '--cert-dir', caDirectory, '-u', user, '--password-stdin', host];
      return this.#world.attempt(this.client, 'skopeo', login, { input: password });
    });
    const sample = await ociImage('skopeo, private CA');
    const remote = `docker://${this.#world.secureReference('skopeo/secure')}:v1`;
    const from = writeDirectory(this.#world.scratch(this.client), sample);
    const to = this.#world.scratch(this.client);
    await this.#skopeo('copy', '--preserve-digests', '--dest-cert-dir', caDirectory, `dir:${from}`, remote);
    await this.#world.expectStored('skopeo/secure', sample);
    await this.#skopeo('copy', '--preserve-digests', '--src-cert-dir', caDirectory, remote, `dir:${to}`);
    expectDirectory(to, sample);
  }

  #copyAll(from: string, to: string): Promise<string> {
    const options = ['--all', '--preserve-digests', '--src-tls-verify=false', '--dest-tls-verify=false'];
    return this.#skopeo('copy', ...options, from, to);
  }

  #remote(repository: string): string {
    return `docker://${this.#world.reference(repository)}:v1`;
  }

  #skopeo(...args: readonly string[]): Promise<string> {
    return this.#world.run(this.client, 'skopeo', args);
  }
}
