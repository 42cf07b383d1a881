import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { signImage } from '../../apps/cli/src/sign/index.ts';
import type { Digest } from '@sluice/domain/oci';
import { formatSignatureTag } from '@sluice/domain/signature';
import { RegistryClient, parseReference } from '@sluice/registry-client';
import type { Cosign } from '../lib/cosign.ts';
import { type Checklist, assertEqual } from './checklist.ts';
import { ADMIN_PASSWORD, Platform, basic } from './platform.ts';

/** What the checks beside a plain registry leave behind for these. */
export interface SigningTools {
  readonly cosign: Cosign;
  /** Home of cosign, with its keys. */
  readonly work: string;
  readonly password: string;
  /** A signed image on a registry without a gate: cosign pulls the layers of what it saves. */
  readonly savable: string;
}

interface Artifact {
  readonly id: string;
  readonly tags: readonly string[];
  readonly verdict: { readonly state: string };
}

interface Signature {
  readonly format: string;
  readonly verified: boolean;
  readonly reason: string | null;
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const DEADLINE_MS = 20_000;
/** Nothing is refused here for its packages: it is about signatures. */
const OPEN_GATE =
  'apiVersion: sluice.dev/v1\nkind: Policy\nmetadata: {name: default}\nspec: {mode: "off", rules: [{name: scanned, kind: scan}]}\n';
const BOTH = ['cosign-legacy: verified', 'sigstore-bundle: verified'];

/** What the running platform makes of signatures: they arrive, are taken for evidence, and lose it again. */
export async function checkOnPlatform(list: Checklist, tools: SigningTools): Promise<void> {
  const platform = await Platform.start();
  try {
    await new PlatformChecks(platform, tools).run(list);
  } finally {
    await platform.remove();
  }
}

class PlatformChecks {
  readonly #platform: Platform;
  readonly #tools: SigningTools;
  readonly #client: RegistryClient;

  constructor(platform: Platform, tools: SigningTools) {
    this.#platform = platform;
    this.#tools = tools;
    const credentials = { username: 'admin', password: ADMIN_PASSWORD };
    this.#client = new RegistryClient({ registry: platform.host, credentials });
  }

  async run(list: Checklist): Promise<void> {
    this.#logCosignIn();
    await this.#platform.api('PUT', '/policies', { node: null, document: OPEN_GATE });
    await this.#platform.api('POST', '/projects', { path: 'team/app', visibility: 'private' });
    await list.check('the platform takes no signature for evidence while no key is trusted', async () => {
      const digest = await this.#push('team/app/cosign');
      const reference = `${this.#platform.host}/team/app/cosign@${digest}`;
      await this.#tools.cosign.signLegacy(reference, 'p256');
      await this.#tools.cosign.signBundle(reference, 'p256');
      await this.#expect('team/app/cosign', [
        'cosign-legacy: no-trusted-keys',
        'sigstore-bundle: no-trusted-keys',
      ]);
    });
    let keyId = '';
    await list.check(
      'trusting the key makes both signatures of cosign count, in the node below',
      async () => {
        keyId = await this.#trust('team', 'p256');
        await this.#expect('team/app/cosign', BOTH);
      },
    );
    await list.check(
      'our signatures count, and cosign verifies them from the platform in both formats',
      async () => {
        const digest = await this.#push('team/app/ours');
        const reference = parseReference(`${this.#platform.host}/team/app/ours@${digest}`);
        const keyFile = readFileSync(join(this.#tools.work, 'p256.key'), 'utf8');
        const password = this.#tools.password;
        await signImage({
          reference,
          keyFile,
          password,
          formats: 'both',
          client: this.#client,
          now: new Date(),
        });
        await this.#expect('team/app/ours', BOTH);
        for (const format of ['legacy', 'bundle'] as const) {
          const image = `${this.#platform.host}/team/app/ours@${digest}`;
          const { code } = await this.#tools.cosign.verify(image, 'p256.pub', format);
          assertEqual(code, 0, `exit code of cosign verify (${format})`);
        }
      },
    );
    await list.check(
      'cosign load brings signatures over, whose manifests come before their blobs',
      async () => {
        const directory = ['--dir', join(this.#tools.work, 'saved'), '--allow-http-registry'];
        await this.#tools.cosign.run(['save', ...directory, this.#tools.savable]);
        await this.#tools.cosign.run(['load', ...directory, `${this.#platform.host}/team/app/loaded:v1`]);
        await this.#expect('team/app/loaded', BOTH);
      },
    );
    await list.check(
      'an image whose signature is awaited can be signed, is green then, and can be pulled',
      () => this.#signUnderPolicy('team/awaited'),
    );
    await list.check('a .sig tag that is deleted takes its evidence with it', async () => {
      const { digest } = await this.#client.getManifest('team/app/cosign', 'v1');
      const path = `/v2/team/app/cosign/manifests/${formatSignatureTag(digest)}`;
      const authorization = basic('admin', ADMIN_PASSWORD);
      const answer = await fetch(`${this.#platform.url}${path}`, {
        method: 'DELETE',
        headers: { authorization },
      });
      assertEqual(answer.status, 202, 'status of the deletion');
      await this.#expect('team/app/cosign', ['sigstore-bundle: verified']);
    });
    await list.check('a key that is trusted no more takes back what it verified', async () => {
      await this.#platform.api('DELETE', `/trusted-keys/${keyId}`);
      await this.#expect('team/app/ours', [
        'cosign-legacy: no-trusted-keys',
        'sigstore-bundle: no-trusted-keys',
      ]);
    });
  }

  async #signUnderPolicy(project: string): Promise<void> {
    const rule = '{name: signed, kind: signature, keys: any, threshold: 1, onMissing: pending}';
    const document = `apiVersion: sluice.dev/v1\nkind: Policy\nmetadata: {name: signed}\nspec: {mode: enforce, rules: [${rule}]}\n`;
    await this.#platform.api('POST', '/projects', { path: project, visibility: 'private' });
    await this.#platform.api('PUT', '/policies', { node: project, document });
    const digest = await this.#push(`${project}/web`);
    await this.#expectVerdict(`${project}/web`, 'pending');
    await this.#tools.cosign.signLegacy(`${this.#platform.host}/${project}/web@${digest}`, 'p256');
    await this.#expectVerdict(`${project}/web`, 'green');
    const pulled = await this.#client.getManifest(`${project}/web`, 'v1');
    assertEqual(pulled.digest, digest, 'pulled digest');
  }

  async #expectVerdict(repository: string, expected: string): Promise<void> {
    await until(expected, `verdict of ${repository}`, async () => {
      const image = await this.#image(repository);
      const open = await this.#platform.api<{ items: unknown[] }>(
        'GET',
        '/jobs?state=queued,running&limit=1',
      );
      return open.body.items.length === 0 ? (image?.verdict.state ?? 'none') : 'work under way';
    });
  }

  #logCosignIn(): void {
    mkdirSync(join(this.#tools.work, '.docker'), { recursive: true });
    const auth = Buffer.from(`admin:${ADMIN_PASSWORD}`).toString('base64');
    const config = { auths: { [this.#platform.host]: { auth } } };
    writeFileSync(join(this.#tools.work, '.docker', 'config.json'), JSON.stringify(config));
  }

  async #trust(node: string, key: string): Promise<string> {
    const pem = readFileSync(join(this.#tools.work, `${key}.pub`), 'utf8');
    const answer = await this.#platform.api<{ id: string }>('POST', '/trusted-keys', {
      node,
      name: key,
      pem,
    });
    return answer.body.id;
  }

  /** An image of one empty layer, different in every repository. */
  async #push(repository: string): Promise<Digest> {
    const layer = Buffer.alloc(1024);
    const diffId = `sha256:${createHash('sha256').update(layer).digest('hex')}`;
    const config = Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        rootfs: { type: 'layers', diff_ids: [diffId] },
        config: { Labels: { repository } },
      }),
    );
    const describe = async (bytes: Buffer, mediaType: string) => ({
      mediaType,
      digest: await this.#client.putBlob(repository, bytes),
      size: bytes.length,
    });
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: await describe(config, 'application/vnd.oci.image.config.v1+json'),
      layers: [await describe(layer, 'application/vnd.oci.image.layer.v1.tar')],
    };
    const bytes = Buffer.from(JSON.stringify(manifest));
    return (await this.#client.putManifest(repository, 'v1', { bytes, mediaType: MANIFEST })).digest;
  }

  #expect(repository: string, expected: readonly string[]): Promise<void> {
    return until(expected, `signatures of ${repository}`, () => this.#signatures(repository));
  }

  async #image(repository: string): Promise<Artifact | undefined> {
    const path = `/artifacts?repository=${encodeURIComponent(repository)}`;
    const { body } = await this.#platform.api<{ items: Artifact[] }>('GET', path);
    return body.items.find(({ tags }) => tags.includes('v1'));
  }

  async #signatures(repository: string): Promise<string[]> {
    const image = await this.#image(repository);
    if (image === undefined) return [];
    const evidence = await this.#platform.api<{ items: { kind: string; content: Signature }[] }>(
      'GET',
      `/artifacts/${image.id}/evidence`,
    );
    return evidence.body.items
      .filter(({ kind }) => kind === 'signature')
      .map(
        ({ content }) =>
          `${content.format}: ${content.verified ? 'verified' : content.reason?.split(':')[0]}`,
      )
      .sort();
  }
}

/** Looks again until it sees what it expects, and says what it saw last when that does not come. */
async function until(expected: unknown, what: string, look: () => Promise<unknown>): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const found = await look();
    if (JSON.stringify(found) === JSON.stringify(expected)) return;
    if (Date.now() > deadline) assertEqual(found, expected, what);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
