import type { Outcome } from '../run.ts';
import { assert, assertEqual } from '../checklist.ts';
import { CYCLONEDX, SPDX } from './artifact-kinds.ts';
import { type Cells, expectAccess, expectLogin, graphCells, type GraphClient, type Runner } from './graph.ts';
import { largeImage, ociImage } from './image-kinds.ts';
import { LARGE_BYTES } from './large.ts';
import { expectManyTags, tagMany } from './many-tags.ts';
import { type Descriptor, expectLayout, type Sample, writeLayout } from './sample.ts';
import type { Samples } from './samples.ts';
import type { Signed } from './signed.ts';
import { SCHEMA_1, SCHEMA_1_TYPE } from './schema1.ts';
import type { World } from './world.ts';

/** regctl of regclient. */
export class Regctl implements GraphClient, Runner {
  readonly client = 'regctl';
  readonly cells: Cells;
  readonly #world: World;
  readonly #signed: Signed;

  constructor(world: World, samples: Samples, signed: Signed) {
    this.#world = world;
    this.#signed = signed;
    this.cells = {
      ...graphCells(world, this, samples),
      login: () => expectLogin(world, this.client, (user, password) => this.#login(user, password)),
      'schema 1 (refused)': () => this.#schema1(),
      'cosign bundle': () => this.#copySigned('bundle'),
      'cosign legacy': () => this.#copySigned('legacy'),
      SBOM: () => this.#putSboms(),
      'many tags': async () =>
        expectManyTags((await this.#regctl('tag', 'ls', await tagMany(world))).trim().split('\n')),
      'sparse index': () => this.#sparse(samples),
      'large, replica killed': () => this.#large(),
      'copy and mount': () => this.#copy(samples),
      delete: () => this.#delete(),
      'private CA': () => this.#overTls(),
    };
  }

  async push(sample: Sample, repository: string): Promise<void> {
    const layout = writeLayout(this.#world.scratch(this.client), sample);
    await this.#regctl('image', 'copy', `ocidir://${layout}:v1`, this.#remote(repository));
  }

  async pull(sample: Sample, repository: string): Promise<void> {
    const layout = this.#world.scratch(this.client);
    await this.#regctl('image', 'copy', this.#remote(repository), `ocidir://${layout}:v1`);
    expectLayout(layout, sample);
    const digest = await this.#regctl('image', 'digest', this.#remote(repository));
    assertEqual(digest.trim(), sample.root.digest, 'regctl image digest');
  }

  async #login(user: string, password: string): Promise<Outcome> {
    const { host } = this.#world.deployment;
    await this.#regctl('registry', 'set', '--skip-check', '--tls', 'disabled', host);
    const login = ['registry', 'login', host, '-u', user, '--pass-stdin'];
    return this.#world.attempt(this.client, this.#world.program('regctl'), login, { input: password });
  }

  async #schema1(): Promise<void> {
    const put = ['manifest', 'put', '--content-type', SCHEMA_1_TYPE, this.#remote('regctl/schema1')];
    const outcome = await this.#world.attempt(this.client, this.#world.program('regctl'), put, {
      input: SCHEMA_1,
    });
    assert(outcome.code !== 0, 'a schema 1 manifest was accepted');
    assert(/MANIFEST_INVALID/i.test(outcome.stderr), `schema 1 is answered with: ${outcome.stderr}`);
  }

  /** An image with its referrers, or with the tags that are named after its digest. */
  async #copySigned(kind: 'bundle' | 'legacy'): Promise<void> {
    const { repository, digest } = await this.#signed.image(kind);
    const to = `regctl/${kind}`;
    const what = kind === 'bundle' ? '--referrers' : '--digest-tags';
    await this.#regctl('image', 'copy', what, this.#remote(repository), this.#remote(to));
    if (kind === 'legacy') {
      const tag = `${digest.replace(':', '-')}.sig`;
      const [before, after] = [
        await this.#world.manifest(repository, tag),
        await this.#world.manifest(to, tag),
      ];
      assertEqual(after.digest, before.digest, 'copied signature');
      return;
    }
    const digests = (list: readonly Descriptor[]): string[] => list.map((each) => each.digest).sort();
    const before = digests(await this.#world.referrers(repository, digest));
    assert(before.length > 0, 'the signed image has no referrers');
    assertEqual(digests(await this.#world.referrers(to, digest)), before, 'copied referrers');
  }

  async #putSboms(): Promise<void> {
    await this.push(await ociImage('sbom'), 'regctl/sbom');
    const subject = this.#remote('regctl/sbom');
    for (const [type, document] of Object.entries({
      'application/spdx+json': SPDX,
      'application/vnd.cyclonedx+json': CYCLONEDX,
    })) {
      const put = [
        'artifact',
        'put',
        '--artifact-type',
        type,
        '--file-media-type',
        type,
        '--subject',
        subject,
      ];
      const input = JSON.stringify(document);
      await this.#world.run(this.client, this.#world.program('regctl'), put, { input });
      const got = await this.#regctl('artifact', 'get', '--subject', subject, '--filter-artifact-type', type);
      assertEqual(got, input, `regctl artifact get of ${type}`);
    }
    const listed = await this.#regctl('artifact', 'list', subject);
    assert(listed.includes('spdx') && listed.includes('cyclonedx'), `regctl artifact list says: ${listed}`);
  }

  async #sparse(samples: Samples): Promise<void> {
    for (const sample of samples.get('sparse index') ?? []) {
      const [, , image] = sample.contents;
      assert(image !== undefined, 'the sample has an image');
      const child: Sample = { root: image, contents: sample.contents.slice(0, 3) };
      await this.push(child, 'regctl/sparse');
      const put = ['manifest', 'put', '--content-type', sample.root.mediaType, this.#remote('regctl/sparse')];
      const input = sample.root.bytes.toString();
      await this.#world.run(this.client, this.#world.program('regctl'), put, { input });
      await this.#world.expectStored('regctl/sparse', sample);
      const layout = this.#world.scratch(this.client);
      const from = ['--platform', 'linux/amd64', this.#remote('regctl/sparse')];
      await this.#regctl('image', 'copy', ...from, `ocidir://${layout}:v1`);
      expectLayout(layout, child);
    }
  }

  async #large(): Promise<void> {
    const sample = await largeImage(LARGE_BYTES);
    await this.push(sample, 'regctl/large');
    await this.#world.expectStored('regctl/large', sample);
    await this.pull(sample, 'regctl/large');
  }

  async #copy(samples: Samples): Promise<void> {
    for (const sample of samples.get('OCI index') ?? []) {
      await this.push(sample, 'regctl/from');
      await this.#regctl('image', 'copy', this.#remote('regctl/from'), this.#remote('regctl/to'));
      await this.#world.expectStored('regctl/to', sample);
    }
  }

  async #delete(): Promise<void> {
    const repository = this.#world.reference('regctl/to');
    await this.#regctl('image', 'copy', `${repository}:v1`, `${repository}:v2`);
    await this.#regctl('tag', 'delete', `${repository}:v1`);
    assertEqual((await this.#regctl('tag', 'ls', repository)).trim(), 'v2', 'tags after deleting one');
    const digest = (await this.#regctl('image', 'digest', `${repository}:v2`)).trim();
    await this.#regctl('manifest', 'delete', `${repository}@${digest}`);
    assertEqual((await this.#regctl('tag', 'ls', repository)).trim(), '', 'tags after deleting the manifest');
  }

  async #overTls(): Promise<void> {
    const { host, ca } = this.#world.secure;
    await this.#regctl('registry', 'set', '--skip-check', '--cacert', ca, host);
    await expectAccess(this.#world, this.client, (user, password) => {
      const login = ['registry', 'login', host, '-u', user, '--pass-stdin'];
      return this.#world.attempt(this.client, this.#world.program('regctl'), login, { input: password });
    });
    const sample = await ociImage('regctl, private CA');
    const reference = `${this.#world.secureReference('regctl/secure')}:v1`;
    const from = writeLayout(this.#world.scratch(this.client), sample);
    const to = this.#world.scratch(this.client);
    await this.#regctl('image', 'copy', `ocidir://${from}:v1`, reference);
    await this.#world.expectStored('regctl/secure', sample);
    await this.#regctl('image', 'copy', reference, `ocidir://${to}:v1`);
    expectLayout(to, sample);
  }

  #remote(repository: string): string {
    return `${this.#world.reference(repository)}:v1`;
  }

  #regctl(...args: readonly string[]): Promise<string> {
    return this.#world.run(this.client, this.#world.program('regctl'), args);
  }
}
