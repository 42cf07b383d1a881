import { join } from 'node:path';
import type { Outcome } from '../run.ts';
import { assert, assertEqual } from '../checklist.ts';
import { type Cells, expectAccess, expectLogin, graphCells, type GraphClient, type Runner } from './graph.ts';
import { largeImage, ociImage } from './image-kinds.ts';
import { expectManyTags, tagMany } from './many-tags.ts';
import { expectLayout, type Sample, writeLayout } from './sample.ts';
import type { Samples } from './samples.ts';
import { LARGE_BYTES } from './large.ts';
import type { World } from './world.ts';

/** crane of go-containerregistry; ko and cosign speak to a registry by the same code. */
export class Crane implements GraphClient, Runner {
  readonly client = 'crane';
  readonly cells: Cells;
  readonly #world: World;

  constructor(world: World, samples: Samples) {
    this.#world = world;
    this.cells = {
      ...graphCells(world, this, samples),
      login: () => expectLogin(world, this.client, (user, password) => this.#login(user, password)),
      'many tags': async () =>
        expectManyTags((await this.#crane('ls', await tagMany(world))).trim().split('\n')),
      'sparse index': () => this.#pullSparse(samples),
      'large, replica killed': () => this.#large(),
      'copy and mount': () => this.#copy(samples),
      delete: () => this.#delete(),
      'private CA': () => this.#overTls(),
    };
  }

  async push(sample: Sample, repository: string): Promise<void> {
    const layout = writeLayout(this.#world.scratch(this.client), sample);
    await this.#crane('push', layout, `${this.#world.reference(repository)}:v1`);
  }

  async pull(sample: Sample, repository: string): Promise<void> {
    const path = this.#world.scratch(this.client);
    await this.#crane('pull', '--format=oci', `${this.#world.reference(repository)}:v1`, path);
    expectLayout(path, sample);
    const digest = await this.#crane('digest', `${this.#world.reference(repository)}:v1`);
    assertEqual(digest.trim(), sample.root.digest, 'crane digest');
  }

  /** `crane auth login` only writes the password down; the first command that uses it tells. */
  async #login(user: string, password: string): Promise<Outcome> {
    const { host } = this.#world.deployment;
    const login = ['auth', 'login', host, '-u', user, '--password-stdin'];
    const options = { input: password };
    await this.#world.run(this.client, this.#world.program('crane'), login, options);
    const list = ['catalog', '--insecure', host];
    return this.#world.attempt(this.client, this.#world.program('crane'), list);
  }

  /** crane copies indexes as a whole; it pulls what is there by its platform. */
  async #pullSparse(samples: Samples): Promise<void> {
    for (const sample of samples.get('sparse index') ?? []) {
      const reference = `${this.#world.reference(await this.#world.seed('sparse', sample))}:v1`;
      const archive = join(this.#world.scratch(this.client), 'image.tar');
      await this.#crane('pull', '--platform=linux/amd64', reference, archive);
      const manifest = await this.#crane('manifest', reference);
      assertEqual(manifest, sample.root.bytes.toString(), 'sparse index');
    }
  }

  async #large(): Promise<void> {
    const sample = await largeImage(LARGE_BYTES);
    await this.push(sample, 'crane/large');
    await this.#world.expectStored('crane/large', sample);
    await this.pull(sample, 'crane/large');
  }

  async #copy(samples: Samples): Promise<void> {
    for (const sample of samples.get('OCI index') ?? []) {
      await this.push(sample, 'crane/from');
      const [from, to] = ['crane/from', 'crane/to'].map((name) => `${this.#world.reference(name)}:v1`);
      const program = this.#world.program('crane');
      const copy = ['copy', '--insecure', '--verbose', from ?? '', to ?? ''];
      const { code, stderr } = await this.#world.attempt(this.client, program, copy);
      assertEqual(code, 0, `crane copy: ${stderr.slice(-1_000)}`);
      assert(/mounted blob/.test(stderr), 'no blob was mounted');
      await this.#world.expectStored('crane/to', sample);
    }
  }

  async #delete(): Promise<void> {
    const reference = this.#world.reference('crane/to');
    const digest = (await this.#crane('digest', `${reference}:v1`)).trim();
    await this.#crane('tag', `${reference}:v1`, 'v2');
    assertEqual((await this.#crane('ls', reference)).trim().split('\n').sort(), ['v1', 'v2'], 'tags');
    await this.#crane('delete', `${reference}:v2`);
    assertEqual((await this.#crane('ls', reference)).trim(), 'v1', 'tags after deleting one');
    await this.#crane('delete', `${reference}@${digest}`);
    assertEqual((await this.#crane('ls', reference)).trim(), '', 'tags after deleting the manifest');
  }

  /** Like every program in Go on Linux, it takes the CAs of the file that SSL_CERT_FILE names. */
  async #overTls(): Promise<void> {
    const { host, caFile } = this.#world.secure;
    const options = { env: { SSL_CERT_FILE: caFile } };
    const program = this.#world.program('crane');
    await expectAccess(this.#world, this.client, (user, password) => {
      const login = ['auth', 'login', host, '-u', user, '--password-stdin'];
      return this.#world.attempt(this.client, program, login, { ...options, input: password });
    });
    const sample = await ociImage('crane, private CA');
    const reference = `${this.#world.secureReference('crane/secure')}:v1`;
    const [from, to] = [this.#world.scratch(this.client), this.#world.scratch(this.client)];
    await this.#world.run(this.client, program, ['push', writeLayout(from, sample), reference], options);
    await this.#world.expectStored('crane/secure', sample);
    await this.#world.run(this.client, program, ['pull', '--format=oci', reference, to], options);
    expectLayout(to, sample);
  }

  #crane(...args: readonly string[]): Promise<string> {
    return this.#world.run(this.client, this.#world.program('crane'), [...args, '--insecure']);
  }
}
