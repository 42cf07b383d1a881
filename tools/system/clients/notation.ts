import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assert, assertEqual } from '../checklist.ts';
import type { Outcome } from '../run.ts';
import { type Cells, expectLogin, type Runner } from './graph.ts';
import { ociImage } from './image-kinds.ts';
import type { SignedImage } from './signed.ts';
import type { World } from './world.ts';

const SIGNATURE = 'application/vnd.cncf.notary.signature';
const KEY = 'clients.example.com';
const TRUST_POLICY = {
  version: '1.0',
  trustPolicies: [
    {
      name: 'clients',
      registryScopes: ['*'],
      signatureVerification: { level: 'strict' },
      trustStores: [`ca:${KEY}`],
      trustedIdentities: ['*'],
    },
  ],
};

/** notation with a certificate of its own making. */
export class Notation implements Runner {
  readonly client = 'notation';
  readonly cells: Cells;
  readonly #world: World;
  #prepared: Promise<void> | undefined;

  constructor(world: World) {
    this.#world = world;
    this.cells = {
      login: () => expectLogin(world, this.client, (user, password) => this.#list(user, password)),
      Notation: () => this.#signAndVerify(),
      'redirected pull': () => this.#verifyAgain(),
      'private CA': () => this.#overTls(),
    };
  }

  /** Signs with the referrers API; in both envelopes. */
  async sign({ repository, digest }: SignedImage): Promise<void> {
    this.#prepared ??= this.#prepare();
    await this.#prepared;
    const reference = `${this.#world.reference(repository)}@${digest}`;
    for (const format of ['jws', 'cose']) {
      await this.#notation('sign', '--signature-format', format, '--force-referrers-tag=false', reference);
    }
  }

  /** `notation login` wants a credential helper; in CI the password comes by variables. */
  async #list(user: string, password: string): Promise<Outcome> {
    const repository = await this.#world.seed('login', await ociImage('login'));
    const list = ['list', '--insecure-registry', `${this.#world.reference(repository)}:v1`];
    const env = { NOTATION_USERNAME: user, NOTATION_PASSWORD: password };
    return this.#world.attempt(this.client, this.#world.program('notation'), list, { env });
  }

  /** A signature names its type in its config alone: the registry has to derive the artifactType from there. */
  async #signAndVerify(): Promise<void> {
    const sample = await ociImage('notation');
    const image = { repository: await this.#world.seed('notation', sample), digest: sample.root.digest };
    const reference = `${this.#world.reference(image.repository)}@${image.digest}`;
    await this.sign(image);
    const referrers = await this.#world.referrers(image.repository, image.digest);
    assertEqual(
      referrers.map(({ artifactType }) => artifactType),
      [SIGNATURE, SIGNATURE],
      'types of the referrers',
    );
    const listed = await this.#notation('list', reference);
    for (const { digest } of referrers) assert(listed.includes(digest), `notation list says: ${listed}`);
    assert(/Successfully verified/.test(await this.#notation('verify', reference)), 'notation verify');

    // Its default is the tag schema, for registries without referrers.
    await this.#notation('sign', reference);
    assert(
      /Successfully verified/.test(await this.#notation('verify', reference)),
      'notation verify by tag schema',
    );
    const inspected = await this.#notation('inspect', '--output', 'json', reference);
    assert(inspected.includes(KEY), `notation inspect says: ${inspected}`);
  }

  /** The signatures of the phase before, read anew. */
  async #verifyAgain(): Promise<void> {
    const { root } = await ociImage('notation');
    const reference = `${this.#world.reference('seed/notation')}@${root.digest}`;
    assert(/Successfully verified/.test(await this.#notation('verify', reference)), 'notation verify');
  }

  /** Like every program in Go on Linux, it takes the CAs of the file that SSL_CERT_FILE names. */
  async #overTls(): Promise<void> {
    this.#prepared ??= this.#prepare();
    await this.#prepared;
    const sample = await ociImage('notation, private CA');
    const repository = await this.#world.seed('notation-secure', sample);
    const reference = `${this.#world.secureReference(repository)}@${sample.root.digest}`;
    const env = { ...this.#credentials, SSL_CERT_FILE: this.#world.secure.caFile };
    const program = this.#world.program('notation');
    const sign = ['sign', '--force-referrers-tag=false', reference];
    await this.#world.run(this.client, program, sign, { env });
    const verified = await this.#world.run(this.client, program, ['verify', reference], { env });
    assert(/Successfully verified/.test(verified), `notation verify says: ${verified}`);
  }

  async #prepare(): Promise<void> {
    await this.#world.run(this.client, this.#world.program('notation'), [
      'cert',
      'generate-test',
      '--default',
      KEY,
    ]);
    const directory = join(this.#world.home(this.client), '.config', 'notation');
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'trustpolicy.json'), JSON.stringify(TRUST_POLICY));
  }

  get #credentials(): Record<string, string> {
    const { user, password } = this.#world.accounts[this.client];
    return { NOTATION_USERNAME: user, NOTATION_PASSWORD: password };
  }

  #notation(verb: string, ...args: readonly string[]): Promise<string> {
    const all = [verb, '--insecure-registry', ...args];
    return this.#world.run(this.client, this.#world.program('notation'), all, { env: this.#credentials });
  }
}
