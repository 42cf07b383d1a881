import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '@sluice/testing';
import { assert, assertEqual } from '../checklist.ts';
import { run, type Outcome } from '../run.ts';
import { type Cells, expectAccess, expectLogin, type Runner } from './graph.ts';
import { tagMany } from './many-tags.ts';
import type { Descriptor } from './sample.ts';
import type { World } from './world.ts';

const CONFIG = 'application/vnd.cncf.helm.config.v1+json';
const CHART = 'application/vnd.cncf.helm.chart.content.v1.tar+gzip';
const PROVENANCE = 'application/vnd.cncf.helm.chart.provenance.v1.prov';
const SIGNER = 'charts@example.com';

/** helm with a signed chart. */
export class Helm implements Runner {
  readonly client = 'helm';
  readonly cells: Cells;
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    this.cells = {
      login: () => expectLogin(world, this.client, (user, password) => this.#login(user, password)),
      'Helm chart': () => this.#chart(),
      'many tags': () => this.#findVersion(),
      'redirected pull': () => this.#pullAgain(),
      'private CA': () => this.#overTls(),
    };
  }

  #login(user: string, password: string): Promise<Outcome> {
    const { host } = this.#world.deployment;
    const login = ['registry', 'login', '--plain-http', '-u', user, '--password-stdin', host];
    return this.#world.attempt(this.client, this.#world.program('helm'), login, { input: password });
  }

  async #chart(): Promise<void> {
    const directory = this.#world.scratch(this.client);
    const keys = await this.#keys(directory);
    for (const version of ['1.0.0', '1.0.0+build.7', '1.1.0']) {
      const chart = join(directory, version, 'web');
      mkdirSync(join(chart, 'templates'), { recursive: true });
      writeFileSync(
        join(chart, 'Chart.yaml'),
        `apiVersion: v2\nname: web\nversion: ${version}\ndescription: a chart\n`,
      );
      writeFileSync(
        join(chart, 'templates', 'config.yaml'),
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n',
      );
      const sign = ['--sign', '--key', SIGNER, '--keyring', keys.secret];
      await this.#helm('package', chart, '-d', directory, ...sign);
      await this.#helm('push', '--plain-http', join(directory, `web-${version}.tgz`), this.#repository);
    }
    await this.#expectStored(directory);
    await this.#pull(directory, keys.public);
  }

  /** The chart of the phase before, fetched anew: helm keeps what it has by digest. */
  async #pullAgain(): Promise<void> {
    const to = this.#world.scratch(this.client);
    const cache = ['--content-cache', join(to, 'cache'), '--plain-http', '-d', to];
    await this.#helm('pull', ...cache, '--version', '1.1.0', `${this.#repository}/web`);
    const { layers } = await this.#world.manifestJson<{ layers: Descriptor[] }>('helm/web', '1.1.0');
    const digest = sha256(readFileSync(join(to, 'web-1.1.0.tgz')));
    assert(
      layers.some((layer) => layer.digest === digest),
      'the chart was pulled with other bytes',
    );
  }

  /** helm lists all tags to find the version that a range means; the highest stands on the second page. */
  async #findVersion(): Promise<void> {
    const chart = `oci://${await tagMany(this.#world)}`;
    const shown = await this.#helm('show', 'chart', '--plain-http', '--version', '>=2.0.0', chart);
    assert(shown.includes('name: web'), `helm show says: ${shown}`);
  }

  /** A `+` is not allowed in a tag and becomes `_`. */
  async #expectStored(directory: string): Promise<void> {
    const stored = await this.#world.manifestJson<{ config: Descriptor; layers: Descriptor[] }>(
      'helm/web',
      '1.0.0_build.7',
    );
    assertEqual(stored.config.mediaType, CONFIG, 'type of the config');
    const types = stored.layers.map(({ mediaType }) => mediaType);
    assertEqual([...types].sort(), [CHART, PROVENANCE], 'types of the layers');
    const chart = stored.layers.find(({ mediaType }) => mediaType === CHART);
    const bytes = await this.#world.blob('helm/web', chart?.digest ?? '');
    assert(
      bytes.equals(readFileSync(join(directory, 'web-1.0.0+build.7.tgz'))),
      'the chart is stored with other bytes',
    );
  }

  /** By exact version, by range (helm lists the tags), and with a check of the provenance. */
  async #pull(directory: string, keyring: string): Promise<void> {
    const to = this.#world.scratch(this.client);
    const chart = `${this.#repository}/web`;
    const shown = await this.#helm('show', 'chart', '--plain-http', '--version', '1.0.0+build.7', chart);
    assert(shown.includes('version: 1.0.0+build.7'), `helm show says: ${shown}`);
    const verify = ['--verify', '--keyring', keyring, '--plain-http', '-d', to];
    await this.#helm('pull', ...verify, '--version', '1.0.0+build.7', chart);
    await this.#helm('pull', ...verify, '--version', '>=1.0.0', chart);
    for (const file of ['web-1.0.0+build.7.tgz', 'web-1.0.0+build.7.tgz.prov', 'web-1.1.0.tgz']) {
      const [pulled, pushed] = [readFileSync(join(to, file)), readFileSync(join(directory, file))];
      assert(pulled.equals(pushed), `${file} was pulled with other bytes`);
    }
    const rendered = await this.#helm('template', '--plain-http', '--version', '1.1.0', 'release', chart);
    assert(rendered.includes('kind: ConfigMap'), `helm template says: ${rendered}`);
  }

  /** helm reads key rings of the old form only. */
  async #keys(directory: string): Promise<{ secret: string; public: string }> {
    const home = join(directory, 'gnupg');
    mkdirSync(home, { mode: 0o700 });
    const gpg = ['--homedir', home, '--batch', '--yes', '--pinentry-mode', 'loopback', '--passphrase', ''];
    const [secret, open] = [join(directory, 'secret.gpg'), join(directory, 'public.gpg')];
    await run('gpg', [...gpg, '--quick-generate-key', SIGNER, 'rsa2048', 'sign', '1d']);
    await run('gpg', [...gpg, '--output', secret, '--export-secret-keys', SIGNER]);
    await run('gpg', [...gpg, '--output', open, '--export', SIGNER]);
    await run('gpgconf', ['--homedir', home, '--kill', 'all']);
    return { secret, public: open };
  }

  async #overTls(): Promise<void> {
    const { host, caFile } = this.#world.secure;
    await expectAccess(this.#world, this.client, (user, password) => {
      const login = ['registry', 'login', '--ca-file', caFile, '-u', user, '--password-stdin', host];
      return this.#world.attempt(this.client, this.#world.program('helm'), login, { input: password });
    });
    const [chart, to] = [this.#world.scratch(this.client), this.#world.scratch(this.client)];
    writeFileSync(join(chart, 'Chart.yaml'), 'apiVersion: v2\nname: secure\nversion: 1.0.0\n');
    const archive = 'secure-1.0.0.tgz';
    await this.#helm('package', chart, '-d', chart);
    const repository = `oci://${this.#world.secureReference('helm')}`;
    await this.#helm('push', '--ca-file', caFile, join(chart, archive), repository);
    const cache = ['--content-cache', join(to, 'cache')];
    await this.#helm(
      'pull',
      '--ca-file',
      caFile,
      ...cache,
      '-d',
      to,
      '--version',
      '1.0.0',
      `${repository}/secure`,
    );
    const [pulled, pushed] = [readFileSync(join(to, archive)), readFileSync(join(chart, archive))];
    assert(pulled.equals(pushed), 'the chart was pulled with other bytes');
  }

  get #repository(): string {
    return `oci://${this.#world.reference('helm')}`;
  }

  #helm(...args: readonly string[]): Promise<string> {
    return this.#world.run(this.client, this.#world.program('helm'), args);
  }
}
