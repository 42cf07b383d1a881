import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Content, type GitLabDouble, sha256 } from '@sluice/testing';
import { pushBlob, pushManifest, type PushTarget } from '../../lib/oci-push.ts';
import { assert, assertEqual } from '../checklist.ts';
import { ADMIN_PASSWORD, type ApiAnswer, basic } from '../platform.ts';
import { attempt, type Outcome, run, type RunOptions } from '../run.ts';
import { type Account, createAccounts } from './accounts.ts';
import type { Descriptor, Sample } from './sample.ts';
import type { SecurePlace } from './secure-replica.ts';
import { CLIENTS, type Client } from './table.ts';

/** What the clients talk to: one process, or replicas behind a proxy. */
export interface Deployment {
  readonly url: string;
  readonly host: string;
  api<T = unknown>(
    method: string,
    path: string,
    body?: unknown,
    options?: { readonly expect?: number; readonly headers?: Record<string, string> },
  ): Promise<ApiAnswer<T>>;
}

export interface Stored {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly digest: string;
}

/** What all clients share: the registry, accounts, homes, files that lie elsewhere, and a look at what arrived. */
export class World {
  readonly deployment: Deployment;
  /** The same registry over TLS. */
  readonly secure: SecurePlace;
  /** Directory of the Go programs. */
  readonly bin: string;
  readonly directory: string;
  readonly accounts: Readonly<Record<Client, Account>>;
  readonly #elsewhere: Server;
  readonly #files = new Map<string, Buffer>();
  readonly #seeds = new Map<string, Promise<string>>();
  #kills = 0;
  #directories = 0;

  private constructor(
    deployment: Deployment,
    secure: SecurePlace,
    bin: string,
    accounts: Readonly<Record<Client, Account>>,
    elsewhere: Server,
  ) {
    this.deployment = deployment;
    this.secure = secure;
    this.bin = bin;
    this.accounts = accounts;
    this.directory = mkdtempSync(join(tmpdir(), 'sluice-clients-'));
    this.#elsewhere = elsewhere;
    elsewhere.on('request', ({ url = '' }, response) => {
      const file = this.#files.get(url);
      response.writeHead(file === undefined ? 404 : 200).end(file);
    });
    for (const client of CLIENTS) mkdirSync(this.home(client));
  }

  static async create(
    deployment: Deployment,
    secure: SecurePlace,
    gitlab: GitLabDouble,
    bin: string,
  ): Promise<World> {
    const accounts = await createAccounts(deployment, gitlab);
    const elsewhere = createServer();
    await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
    return new World(deployment, secure, bin, accounts, elsewhere);
  }

  async remove(): Promise<void> {
    await new Promise((resolve) => this.#elsewhere.close(resolve));
    rmSync(this.directory, { recursive: true, force: true });
  }

  /** Where a client keeps its credentials. */
  home(client: Client): string {
    return join(this.directory, client);
  }

  /** A new empty directory of a client. */
  scratch(client: Client): string {
    const path = join(this.home(client), `scratch-${++this.#directories}`);
    mkdirSync(path);
    return path;
  }

  program(name: string): string {
    return join(this.bin, name);
  }

  /** `<host>/clients/<name>` */
  reference(name: string): string {
    return `${this.deployment.host}/clients/${name}`;
  }

  /** The same repository over TLS. */
  secureReference(name: string): string {
    return `${this.secure.host}/clients/${name}`;
  }

  /** Puts bytes on a server that is not the registry and returns their address. */
  serveElsewhere(bytes: Buffer): string {
    const path = `/${sha256(bytes)}`;
    this.#files.set(path, bytes);
    return `http://localhost:${(this.#elsewhere.address() as AddressInfo).port}${path}`;
  }

  /** To be called when a replica was killed: what runs at that moment may be tried a second time. */
  noteKill(): void {
    this.#kills++;
  }

  /** Runs a command in the home of a client, whatever its exit code. Said again once if a replica died meanwhile. */
  async attempt(
    client: Client,
    program: string,
    args: readonly string[],
    options: RunOptions = {},
  ): Promise<Outcome> {
    const kills = this.#kills;
    const all = { timeoutSeconds: 120, ...options, ...this.#surroundings(client, options) };
    const outcome = await attempt(program, args, all);
    if (outcome.code === 0 || kills === this.#kills) return outcome;
    console.log(`again ${client}: ${args.slice(0, 3).join(' ')} (a replica was killed meanwhile)`);
    return attempt(program, args, all);
  }

  async run(
    client: Client,
    program: string,
    args: readonly string[],
    options: RunOptions = {},
  ): Promise<string> {
    const outcome = await this.attempt(client, program, args, options);
    if (outcome.code === 0) return outcome.stdout;
    const said = `${outcome.stdout.slice(-800)}${outcome.stderr.slice(-800)}`;
    throw new Error(`${program} ${args.join(' ')} ended with code ${outcome.code}\n${said}`);
  }

  /** Packs a directory; for images that a client imports. */
  async tar(directory: string, archive: string): Promise<string> {
    // Without padding to a record: podman 4 drops it when it makes zstd:chunked, and the config is wrong then.
    await run('tar', ['--create', '--blocking-factor=1', '--file', archive, '--directory', directory, '.']);
    return archive;
  }

  /** Pushes a sample with nothing but HTTP, once, for clients that can only pull its kind. */
  seed(name: string, sample: Sample): Promise<string> {
    const repository = `seed/${name}`;
    const seeded = this.#seeds.get(repository) ?? this.#push(repository, sample);
    this.#seeds.set(repository, seeded);
    return seeded;
  }

  /** Where the admin pushes by HTTP. */
  target(repository: string): PushTarget {
    return {
      url: this.deployment.url,
      repository: `clients/${repository}`,
      authorization: basic('admin', ADMIN_PASSWORD),
    };
  }

  /** Everything of a sample is in the registry: bytes, digest, and for manifests the very media type. */
  async expectStored(repository: string, { root, contents }: Sample, tag = 'v1'): Promise<void> {
    const tagged = await this.manifest(repository, tag);
    assertEqual([tagged.digest, tagged.mediaType], [root.digest, root.mediaType], `${repository}:${tag}`);
    for (const each of contents) {
      if (isManifest(each)) {
        const { bytes, mediaType } = await this.manifest(repository, each.digest);
        assert(bytes.equals(each.bytes), `${each.digest} is stored with other bytes`);
        assertEqual(mediaType, each.mediaType, `media type of ${each.digest}`);
      } else {
        const found = await this.blob(repository, each.digest);
        assert(found.equals(each.bytes), `blob ${each.digest} is stored with other bytes`);
      }
    }
  }

  /** What a manifest GET answers; the digest is that of the bytes. */
  async manifest(repository: string, reference: string): Promise<Stored> {
    const answer = await this.get(`clients/${repository}/manifests/${reference}`);
    const bytes = Buffer.from(await answer.arrayBuffer());
    assert(answer.status === 200, `${repository}: ${reference}: ${answer.status} ${bytes.toString()}`);
    const digest = sha256(bytes);
    assertEqual(answer.headers.get('docker-content-digest'), digest, `digest header of ${reference}`);
    return { bytes, digest, mediaType: answer.headers.get('content-type') ?? '' };
  }

  async manifestJson<T>(repository: string, reference: string): Promise<T> {
    return JSON.parse((await this.manifest(repository, reference)).bytes.toString()) as T;
  }

  async blob(repository: string, digest: string, range?: string): Promise<Buffer> {
    const headers: Record<string, string> = range === undefined ? {} : { range: `bytes=${range}` };
    const answer = await this.get(`clients/${repository}/blobs/${digest}`, headers);
    assertEqual(answer.status, range === undefined ? 200 : 206, `GET of blob ${digest} of ${repository}`);
    return Buffer.from(await answer.arrayBuffer());
  }

  async referrers(repository: string, digest: string): Promise<readonly Descriptor[]> {
    const answer = await this.get(`clients/${repository}/referrers/${digest}`);
    assertEqual(answer.status, 200, `referrers of ${digest}`);
    return ((await answer.json()) as { manifests: Descriptor[] }).manifests;
  }

  get(
    path: string,
    headers: Record<string, string> = {},
    redirect: 'follow' | 'manual' = 'follow',
  ): Promise<Response> {
    const authorization = basic('admin', ADMIN_PASSWORD);
    return fetch(`${this.deployment.url}/v2/${path}`, {
      headers: { accept: '*/*', authorization, ...headers },
      redirect,
    });
  }

  async #push(repository: string, { root, contents }: Sample): Promise<string> {
    const target = this.target(repository);
    for (const each of contents) {
      if (!isManifest(each)) await pushBlob(target, each);
      else await pushManifest(target, each, each === root ? 'v1' : each.digest);
    }
    return repository;
  }

  #surroundings(client: Client, { env, cwd }: RunOptions): RunOptions {
    const home = this.home(client);
    const own = {
      PATH: process.env['PATH'],
      HOME: home,
      XDG_RUNTIME_DIR: home,
      DOCKER_CONFIG: join(home, 'docker'),
      REGISTRY_AUTH_FILE: join(home, 'auth.json'),
    };
    return { cwd: cwd ?? home, env: { ...own, ...env } };
  }
}

export function isManifest({ mediaType }: Content): boolean {
  return /^application\/vnd\.(oci\.image|docker\.distribution)\.(manifest|index)\./.test(mediaType);
}
