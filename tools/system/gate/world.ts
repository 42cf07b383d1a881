import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImage, buildLayer, type Image, sha256 } from '@sluice/testing';
import { bearer, pushBlob, pushImage, pushManifest, type PushTarget } from '../../lib/oci-push.ts';
import { importAdvisories, sluice } from '../fixtures.ts';
import { installTools } from '../install.ts';
import { ADMIN_PASSWORD, basic, Platform } from '../platform.ts';
import { run } from '../run.ts';

const READER_PASSWORD = 'a reader, nothing more';

/** What one request got. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** A platform with two projects, keys, a pusher and a reader, for the attacks. */
export class World {
  readonly platform: Platform;
  readonly directory: string;
  readonly cosign: string;

  private constructor(platform: Platform, directory: string, cosign: string) {
    this.platform = platform;
    this.directory = directory;
    this.cosign = cosign;
  }

  /** Advisories are loaded; `gate/open` has the default policy, `gate/signed` demands the key `release` as well. */
  static async create(): Promise<World> {
    const bin = await installTools(['cosign']);
    const world = new World(
      await Platform.start({ SLUICE_GATE_HOLD_SECONDS: '2' }),
      mkdtempSync(join(tmpdir(), 'sluice-gate-')),
      join(bin, 'cosign'),
    );
    const { platform } = world;
    await importAdvisories(platform);
    for (const path of ['gate/open', 'gate/signed', 'gate/other']) {
      await platform.api('POST', '/projects', { path, visibility: 'private' }, { expect: 201 });
    }
    await platform.api('POST', '/users', { name: 'reader', password: READER_PASSWORD }, { expect: 201 });
    await platform.api('POST', '/grants', { node: 'gate', principal: 'reader', role: 'reporter' });
    for (const name of ['release', 'stranger']) {
      await world.runCosign(['generate-key-pair', '--output-key-prefix', name]);
    }
    await sluice(platform, [
      'trust',
      'add',
      '--node',
      'gate/signed',
      '--name',
      'release',
      join(world.directory, 'release.pub'),
    ]);
    const policy = join(world.directory, 'signed.yaml');
    writeFileSync(policy, SIGNED_POLICY);
    await sluice(platform, ['policy', 'apply', '--node', 'gate/signed', '-f', policy]);
    return world;
  }

  async remove(): Promise<void> {
    await this.platform.remove();
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Where the admin pushes. */
  target(repository: string): PushTarget {
    return { url: this.platform.url, repository, authorization: basic('admin', ADMIN_PASSWORD) };
  }

  async push(repository: string, image: Image, reference: string): Promise<void> {
    await pushImage(this.target(repository), image, reference);
  }

  async pushJson(
    repository: string,
    mediaType: string,
    document: unknown,
    reference?: string,
  ): Promise<string> {
    const bytes = Buffer.from(JSON.stringify(document));
    const digest = sha256(bytes);
    await pushManifest(this.target(repository), { bytes, mediaType, digest }, reference ?? digest);
    return digest;
  }

  async pushContent(repository: string, content: string | Buffer): Promise<{ digest: string; size: number }> {
    const bytes = Buffer.from(content);
    const digest = sha256(bytes);
    await pushBlob(this.target(repository), { bytes, digest });
    return { digest, size: bytes.length };
  }

  /** A request of the reader, who may pull and nothing else, with a Bearer token as a container runtime has one. */
  async read(
    method: string,
    repository: string,
    rest: string,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const authorization = await bearer(
      this.platform.url,
      basic('reader', READER_PASSWORD),
      `repository:${repository}:pull`,
    );
    return this.request(method, `/v2/${repository}/${rest}`, { authorization, ...headers });
  }

  /** A request of the admin, who may push. */
  async readAsPusher(method: string, repository: string, rest: string): Promise<Answer> {
    return this.request(method, `/v2/${repository}/${rest}`, {
      authorization: basic('admin', ADMIN_PASSWORD),
    });
  }

  async request(method: string, path: string, headers: Record<string, string>): Promise<Answer> {
    const answer = await fetch(`${this.platform.url}${path}`, {
      method,
      headers: { accept: '*/*', ...headers },
    });
    return { status: answer.status, headers: answer.headers, text: await answer.text() };
  }

  /** The state of an artifact's verdict once nothing is under way. */
  async settled(repository: string, reference: string): Promise<string> {
    const separator = reference.includes(':') ? '@' : ':';
    const resolved = await this.platform.api<{ id: string }>(
      'GET',
      `/resolve?ref=${encodeURIComponent(`${repository}${separator}${reference}`)}`,
    );
    await this.untilIdle(Date.now() + 60_000);
    const verdict = await this.platform.api<{ state: string }>(
      'GET',
      `/artifacts/${resolved.body.id}/verdict`,
    );
    return verdict.body.state;
  }

  async runCosign(args: readonly string[]): Promise<void> {
    await run(this.cosign, args, {
      cwd: this.directory,
      env: { ...process.env, HOME: this.directory, COSIGN_PASSWORD: '', COSIGN_YES: 'true' },
    });
  }

  /** Signs in both formats, by the key of that name. */
  async sign(repository: string, digest: string, key: string): Promise<void> {
    await sluice(
      this.platform,
      [
        'sign',
        '--key',
        join(this.directory, `${key}.key`),
        '--format',
        'both',
        `${this.platform.host}/${repository}@${digest}`,
      ],
      { COSIGN_PASSWORD: '' },
    );
  }

  /** Attests with cosign, by the key of that name: a statement about the image that is no signature. */
  async attest(repository: string, digest: string, key: string): Promise<void> {
    writeFileSync(join(this.directory, 'predicate.json'), '{"note":"an attestation"}');
    writeFileSync(
      join(this.directory, 'signing-config.json'),
      '{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"}',
    );
    await this.runCosign(['login', this.platform.host, '-u', 'admin', '-p', ADMIN_PASSWORD]);
    const statement = ['--key', `${key}.key`, '--predicate', 'predicate.json', '--type', 'custom'];
    const offline = ['--signing-config', 'signing-config.json', '--allow-http-registry'];
    await this.runCosign([
      'attest',
      ...statement,
      ...offline,
      `${this.platform.host}/${repository}@${digest}`,
    ]);
  }

  private async untilIdle(deadline: number): Promise<void> {
    // An event becomes a job a moment after its transaction, so idleness must be seen three times.
    for (let quiet = 0; quiet < 3;) {
      const { body } = await this.platform.api<{ items: unknown[] }>(
        'GET',
        '/jobs?state=queued,running&limit=1',
      );
      quiet = body.items.length === 0 ? quiet + 1 : 0;
      if (Date.now() > deadline) throw new Error('jobs are still running after 60 s');
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
  }
}

const SIGNED_POLICY = `apiVersion: sluice.dev/v1
kind: Policy
metadata: {name: signed}
spec:
  mode: enforce
  rules:
    - {name: release-key, kind: signature, keys: [release]}
`;

/** An image with one npm package; every call has content of its own. */
export async function imageWith(version: string): Promise<Image> {
  const salt = randomBytes(8).toString('hex');
  const layer = await buildLayer([
    { path: 'app/node_modules/minimist/package.json', content: `{"name":"minimist","version":"${version}"}` },
    { path: 'app/salt', content: salt },
  ]);
  return buildImage([layer]);
}

/** Fixed by 1.2.6, critical. */
export const VULNERABLE = '1.2.5';
export const FIXED = '1.2.8';
