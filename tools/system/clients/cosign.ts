import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, assertEqual } from '../checklist.ts';
import type { Outcome } from '../run.ts';
import { SPDX } from './artifact-kinds.ts';
import { type Cells, expectAccess, expectLogin, type Runner } from './graph.ts';
import { ociImage } from './image-kinds.ts';
import type { Descriptor } from './sample.ts';
import type { SignedImage } from './signed.ts';
import type { World } from './world.ts';

type Format = 'bundle' | 'legacy';

const BUNDLE = 'application/vnd.dev.sigstore.bundle.v0.3+json';
const SIMPLE_SIGNING = 'application/vnd.dev.cosign.simplesigning.v1+json';
const IN_TOTO = 'application/vnd.dsse.envelope.v1+json';
const REGISTRY = ['--allow-http-registry', '--allow-insecure-registry'];
/** Release 2 wants a trusted root for bundles even where a key is all that is trusted. */
const NOBODY = '{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}';
const NOWHERE = '{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"}';

interface Manifest {
  readonly layers: readonly Descriptor[];
}

/** cosign with a key pair and no service of the internet, in release 2 or 3: they differ in options and defaults. */
export class Cosign implements Runner {
  readonly client: 'cosign' | 'cosign-2';
  readonly cells: Cells;
  readonly #world: World;
  #prepared: Promise<void> | undefined;

  constructor(world: World, client: 'cosign' | 'cosign-2') {
    this.#world = world;
    this.client = client;
    const isOld = client === 'cosign-2';
    this.cells = {
      login: () => expectLogin(world, client, (user, password) => this.#login(user, password)),
      'cosign bundle': () => this.#bundle(),
      'cosign legacy': () => this.#legacy(),
      delete: () => this.#clean(),
      'redirected pull': () => this.#verifyBundle(),
      'private CA': () => this.#overTls(),
      ...(isOld
        ? {
            SBOM: () => this.#attachSbom(),
            'file as image': () => this.#uploadBlob(),
            WASM: () => this.#uploadWasm(),
            'copy and mount': () => this.#copy(),
          }
        : {}),
    };
  }

  /** Signs and attests an image with the key of this client. */
  async sign({ repository, digest }: SignedImage, format: Format): Promise<void> {
    this.#prepared ??= this.#prepare();
    await this.#prepared;
    const reference = `${this.#world.reference(repository)}@${digest}`;
    writeFileSync(join(this.#home, 'predicate.json'), '{"builtBy":"a test"}');
    const how = this.#signing(format);
    await this.#cosign('sign', '--yes', '--key', 'cosign.key', ...how, ...REGISTRY, reference);
    const what = ['--type', 'https://example.com/build/v1', '--predicate', 'predicate.json'];
    await this.#cosign('attest', '--yes', '--key', 'cosign.key', ...what, ...how, ...REGISTRY, reference);
  }

  /** `cosign login` only writes the password down; the first command that uses it tells. */
  async #login(user: string, password: string): Promise<Outcome> {
    const { host } = this.#world.deployment;
    const login = ['login', host, '-u', user, '--password-stdin'];
    await this.#world.run(this.client, this.#program, login, { input: password });
    const repository = await this.#world.seed('login', await ociImage('login'));
    const tree = ['tree', ...REGISTRY, `${this.#world.reference(repository)}:v1`];
    return this.#world.attempt(this.client, this.#program, tree);
  }

  async #bundle(): Promise<void> {
    const image = await this.#pushed('bundle');
    await this.sign(image, 'bundle');
    const referrers = await this.#world.referrers(image.repository, image.digest);
    assertEqual(
      referrers.map(({ artifactType }) => artifactType),
      [BUNDLE, BUNDLE],
      'types of the referrers',
    );
    for (const { digest } of referrers) {
      const { layers } = await this.#world.manifestJson<Manifest>(image.repository, digest);
      assertEqual(
        layers.map(({ mediaType }) => mediaType),
        [BUNDLE],
        'layers of the referrer',
      );
    }
    await this.#verify(image, 'bundle');
    // Release 2 shows and saves what has a tag, and nothing else.
    if (this.client === 'cosign') await this.#saveAndLoad(image, 'bundle');
  }

  /** The image is there already; its signature comes and is verified over TLS. */
  async #overTls(): Promise<void> {
    this.#prepared ??= this.#prepare();
    await this.#prepared;
    const { host, caFile } = this.#world.secure;
    await expectAccess(this.#world, this.client, (user, password) => {
      const login = ['login', host, '-u', user, '--password-stdin'];
      return this.#world.attempt(this.client, this.#program, login, { input: password });
    });
    const { repository, digest } = await this.#pushed('secure');
    const where = ['--registry-cacert', caFile, `${this.#world.secureReference(repository)}@${digest}`];
    await this.#cosign('sign', '--yes', '--key', 'cosign.key', ...this.#signing('legacy'), ...where);
    const how = ['--key', 'cosign.pub', '--insecure-ignore-tlog', '--new-bundle-format=false'];
    const verified = await this.#cosign('verify', ...how, ...where);
    assert(verified.includes(digest), `cosign verify says: ${verified}`);
  }

  /** The signatures of the phase before, read anew. */
  async #verifyBundle(): Promise<void> {
    await this.#verify(await this.#pushed('bundle'), 'bundle');
  }

  async #legacy(): Promise<void> {
    const image = await this.#pushed('legacy');
    await this.sign(image, 'legacy');
    for (const [suffix, type] of [
      ['sig', SIMPLE_SIGNING],
      ['att', IN_TOTO],
    ]) {
      const tag = `${image.digest.replace(':', '-')}.${suffix}`;
      const { layers } = await this.#world.manifestJson<Manifest>(image.repository, tag);
      assertEqual(
        layers.map(({ mediaType }) => mediaType),
        [type],
        `layers of .${suffix}`,
      );
    }
    await this.#verify(image, 'legacy');
    await this.#saveAndLoad(image, 'legacy');
  }

  /** Verifies signature and attestation, and finds both in the tree. */
  async #verify({ repository, digest }: SignedImage, format: Format): Promise<void> {
    const reference = `${this.#world.reference(repository)}@${digest}`;
    const roots =
      format === 'bundle' && this.client === 'cosign-2' ? ['--trusted-root', 'trusted-root.json'] : [];
    const form = `--new-bundle-format=${format === 'bundle'}`;
    const how = ['--key', 'cosign.pub', '--insecure-ignore-tlog', form, ...roots];
    const verified = await this.#cosign('verify', ...how, ...REGISTRY, reference);
    assert(verified.includes(digest), `cosign verify says: ${verified}`);
    const type = ['--type', 'https://example.com/build/v1'];
    await this.#cosign('verify-attestation', ...how, ...type, ...REGISTRY, reference);
  }

  /** What was saved and loaded again is the same image, and its signatures still hold. */
  async #saveAndLoad(image: SignedImage, format: Format): Promise<void> {
    const reference = `${this.#world.reference(image.repository)}:v1`;
    const tree = await this.#cosign('tree', ...REGISTRY, reference);
    assert(tree.includes(format === 'bundle' ? 'via OCI referrer' : '.sig'), `cosign tree says: ${tree}`);
    const directory = this.#world.scratch(this.client);
    await this.#cosign('save', '--dir', directory, ...REGISTRY, reference);
    const repository = `${this.client}/loaded-${format}`;
    await this.#cosign('load', '--dir', directory, ...REGISTRY, `${this.#world.reference(repository)}:v1`);
    const loaded = await this.#world.manifest(repository, 'v1');
    assertEqual(loaded.digest, image.digest, 'digest of the loaded image');
    await this.#verify({ repository, digest: loaded.digest }, format);
  }

  async #attachSbom(): Promise<void> {
    const image = await this.#pushed('sbom');
    const reference = `${this.#world.reference(image.repository)}@${image.digest}`;
    const document = JSON.stringify(SPDX);
    writeFileSync(join(this.#home, 'sbom.json'), document);
    const what = ['--sbom', 'sbom.json', '--type', 'spdx', '--input-format', 'json'];
    await this.#cosign('attach', 'sbom', ...what, ...REGISTRY, reference);
    assertEqual(await this.#cosign('download', 'sbom', ...REGISTRY, reference), document, 'downloaded SBOM');
  }

  /** A file under the config of an image: the gate takes it for one, and can read nothing in it. */
  async #uploadBlob(): Promise<void> {
    writeFileSync(join(this.#home, 'file.txt'), 'any file\n');
    const reference = `${this.#world.reference('cosign-2/blob')}:v1`;
    await this.#cosign('upload', 'blob', '--ct', 'text/plain', '-f', 'file.txt', ...REGISTRY, reference);
    await this.#expectLayer('cosign-2/blob', 'text/plain', 'any file\n');
  }

  async #uploadWasm(): Promise<void> {
    const module = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    writeFileSync(join(this.#home, 'module.wasm'), module);
    const reference = `${this.#world.reference('cosign-2/wasm')}:v1`;
    await this.#cosign('upload', 'wasm', '-f', 'module.wasm', ...REGISTRY, reference);
    await this.#expectLayer(
      'cosign-2/wasm',
      'application/vnd.wasm.content.layer.v1+wasm',
      module.toString('latin1'),
    );
  }

  async #expectLayer(repository: string, mediaType: string, text: string): Promise<void> {
    const { layers } = await this.#world.manifestJson<Manifest>(repository, 'v1');
    assertEqual(
      layers.map((layer) => layer.mediaType),
      [mediaType],
      `layers of ${repository}`,
    );
    const bytes = await this.#world.blob(repository, layers[0]?.digest ?? '');
    assertEqual(bytes.toString('latin1'), text, `content of ${repository}`);
  }

  /** `cosign copy` takes an image with the tags of its signatures. */
  async #copy(): Promise<void> {
    const image = await this.#pushed('legacy');
    const [from, to] = [this.#world.reference(image.repository), this.#world.reference('cosign-2/copied')];
    await this.#cosign('copy', ...REGISTRY, `${from}:v1`, `${to}:v1`);
    await this.#verify({ repository: 'cosign-2/copied', digest: image.digest }, 'legacy');
  }

  async #clean(): Promise<void> {
    const { repository, digest } = await this.#pushed('legacy');
    const reference = `${this.#world.reference(repository)}@${digest}`;
    await this.#cosign('clean', '--force', ...REGISTRY, reference);
    const tag = `${digest.replace(':', '-')}.sig`;
    const answer = await this.#world.get(`clients/${repository}/manifests/${tag}`);
    assertEqual(answer.status, 404, 'status of the signature after cosign clean');
  }

  async #pushed(name: string): Promise<SignedImage> {
    const sample = await ociImage(`${this.client}, ${name}`);
    const repository = await this.#world.seed(`${this.client}-${name}`, sample);
    return { repository, digest: sample.root.digest };
  }

  /** Also for who only copies what is signed here, and logs in with another client. */
  async #prepare(): Promise<void> {
    const { user, password } = this.#world.accounts[this.client];
    await this.#login(user, password);
    await this.#cosign('generate-key-pair');
    writeFileSync(join(this.#home, 'signing-config.json'), NOWHERE);
    writeFileSync(join(this.#home, 'trusted-root.json'), NOBODY);
  }

  #signing(format: Format): readonly string[] {
    if (format === 'legacy')
      return ['--new-bundle-format=false', '--use-signing-config=false', '--tlog-upload=false'];
    // Release 3 asks its update server unless it is told where to sign: nowhere.
    if (this.client === 'cosign') return ['--signing-config', 'signing-config.json'];
    return ['--new-bundle-format=true', '--tlog-upload=false'];
  }

  get #home(): string {
    return this.#world.home(this.client);
  }

  get #program(): string {
    return this.#world.program(this.client);
  }

  #cosign(...args: readonly string[]): Promise<string> {
    return this.#world.run(this.client, this.#program, args, { env: { COSIGN_PASSWORD: '' } });
  }
}
