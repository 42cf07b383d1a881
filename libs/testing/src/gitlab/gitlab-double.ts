import {
  createHash,
  createHmac,
  generateKeyPair as generateKeyPairCallback,
  type KeyObject,
  randomUUID,
} from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, exportJWK, type JWK, SignJWT } from 'jose';
import { claimsOf, type DoubleProject, type DoubleUser, type Job, subjectOf } from './job.ts';

const generateKeyPair = promisify(generateKeyPairCallback);

interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly jwk: JWK;
}

/** How a token is minted; everything absent is as GitLab does it. */
export interface TokenOptions {
  /** `aud`, one or several. */
  readonly audience: string | readonly string[];
  /** Seconds until `exp`; GitLab takes the job's timeout. 3600 unless said. */
  readonly lifetimeSeconds?: number;
  /** The clock of the issuer. */
  readonly now?: Date;
  /** Claims to put in, replace, or (undefined) leave out. */
  readonly claims?: Readonly<Record<string, unknown>>;
  /** A false id of the key. */
  readonly kid?: string;
}

/**
 * A GitLab as far as CI identity goes: an issuer with real RSA keys that serves its discovery document and keys over
 * HTTP on the loopback interface and mints `id_token`s with GitLab's claims. Nothing of it is for production.
 */
export class GitLabDouble implements AsyncDisposable {
  /** How often each document was asked for. */
  readonly requests = { discovery: 0, keys: 0 };
  /** When set, every request is answered with this status and an empty body. */
  failWith: number | null = null;
  /** What the keys are served with; GitLab's own header unless changed. */
  cacheControl = 'public, max-age=86400, must-revalidate';
  readonly #server: Server;
  readonly #oidcKey: SigningKey;
  #ciKey: SigningKey;
  #nextId = 100;

  private constructor(server: Server, oidcKey: SigningKey, ciKey: SigningKey) {
    this.#server = server;
    this.#oidcKey = oidcKey;
    this.#ciKey = ciKey;
  }

  /** @param options.port 0 or absent: any free one */
  static async start(options: { port?: number } = {}): Promise<GitLabDouble> {
    const [oidcKey, ciKey] = await Promise.all([createKey(), createKey()]);
    const server = createServer();
    const double = new GitLabDouble(server, oidcKey, ciKey);
    server.on('request', (request, response) => double.#answer(request, response));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(options.port ?? 0, '127.0.0.1', resolve);
    });
    return double;
  }

  /** The instance URL, which is also `iss`. */
  get issuer(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The keys as served at `/oauth/discovery/keys`: GitLab's OpenID Connect key and its CI key. */
  get jwks(): { keys: JWK[] } {
    return { keys: [this.#oidcKey.jwk, this.#ciKey.jwk] };
  }

  /** Replaces the CI key without overlap, as self-managed GitLab does. */
  async rotateKey(): Promise<void> {
    this.#ciKey = await createKey();
  }

  project(path: string, visibility: DoubleProject['visibility'] = 'private'): DoubleProject {
    return { id: this.#nextId++, path, namespaceId: this.#nextId++, visibility };
  }

  user(login: string): DoubleUser {
    return { id: this.#nextId++, login, email: `${login}@example.com` };
  }

  /** A job of a branch pipeline; the branch `main` is protected. */
  branchJob(project: DoubleProject, user: DoubleUser, ref = 'main'): Job {
    return this.#job(project, user, {
      pipelineSource: 'push',
      ref,
      refType: 'branch',
      refPath: `refs/heads/${ref}`,
      refProtected: ref === 'main',
    });
  }

  /** A job of a tag pipeline; tags are protected. */
  tagJob(project: DoubleProject, user: DoubleUser, ref: string): Job {
    const where = { ref, refType: 'tag', refPath: `refs/tags/${ref}`, refProtected: true } as const;
    return this.#job(project, user, { pipelineSource: 'push', ...where });
  }

  /** A job of a merge-request pipeline within one project. */
  mergeRequestJob(project: DoubleProject, user: DoubleUser, ref: string): Job {
    const where = {
      ref,
      refType: 'branch',
      refPath: 'refs/merge-requests/1/head',
      refProtected: false,
    } as const;
    return this.#job(project, user, { pipelineSource: 'merge_request_event', ...where });
  }

  /** A job of a fork's merge request that runs in the parent: `project_*` name the fork, `job_project_*` the parent. */
  forkMergeRequestJob(fork: DoubleProject, parent: DoubleProject, user: DoubleUser, ref: string): Job {
    return { ...this.mergeRequestJob(fork, user, ref), runsIn: parent };
  }

  /** A token as GitLab would give it to the job. */
  idToken(job: Job, options: TokenOptions): Promise<string> {
    return sign(
      this.#payload(job, options),
      { alg: 'RS256', kid: options.kid ?? this.#ciKey.kid },
      this.#ciKey.privateKey,
    );
  }

  /** Signed by a key that the issuer does not have, under the id of one that it has. */
  async forgedToken(job: Job, options: TokenOptions): Promise<string> {
    const { privateKey } = await createKey();
    return sign(
      this.#payload(job, options),
      { alg: 'RS256', kid: options.kid ?? this.#ciKey.kid },
      privateKey,
    );
  }

  /** `alg: none` with an empty signature. */
  unsignedToken(job: Job, options: TokenOptions): string {
    return `${this.#unsigned(job, options, 'none')}.`;
  }

  /** HS256 with the issuer's public key as secret, which fools a verifier that lets the token choose the algorithm. */
  publicKeyHmacToken(job: Job, options: TokenOptions): string {
    const input = this.#unsigned(job, options, 'HS256');
    const secret = this.#ciKey.publicKey.export({ type: 'spki', format: 'pem' });
    return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
  }

  /** A genuine token whose claims were changed after signing. */
  async tamperedToken(
    job: Job,
    options: TokenOptions,
    claims: Readonly<Record<string, unknown>>,
  ): Promise<string> {
    const [header, payload = '', signature] = (await this.idToken(job, options)).split('.');
    const changed = { ...(JSON.parse(Buffer.from(payload, 'base64url').toString()) as object), ...claims };
    return [header, Buffer.from(JSON.stringify(changed)).toString('base64url'), signature].join('.');
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  #job(
    project: DoubleProject,
    user: DoubleUser,
    pipeline: Pick<Job, 'pipelineSource' | 'ref' | 'refType' | 'refPath' | 'refProtected'>,
  ): Job {
    const sha = createHash('sha1').update(`${project.path}:${pipeline.ref}`).digest('hex');
    const ids = { pipelineId: this.#nextId++, jobId: this.#nextId++ };
    return { project, runsIn: project, user, sha, environment: null, ...ids, ...pipeline };
  }

  #payload(job: Job, options: TokenOptions): Record<string, unknown> {
    const issuedAt = Math.floor((options.now ?? new Date()).getTime() / 1_000);
    const payload: Record<string, unknown> = {
      ...claimsOf(job),
      jti: randomUUID(),
      iss: this.issuer,
      sub: subjectOf(job),
      aud: options.audience,
      iat: issuedAt,
      // GitLab allows for clocks that are a little behind.
      nbf: issuedAt - 5,
      exp: issuedAt + (options.lifetimeSeconds ?? 3_600),
      ...options.claims,
    };
    return Object.fromEntries(Object.entries(payload).filter(([, value]) => value !== undefined));
  }

  #unsigned(job: Job, options: TokenOptions, alg: string): string {
    const header = { typ: 'JWT', alg, kid: this.#ciKey.kid };
    return [header, this.#payload(job, options)]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const send = (body: unknown, headers: Record<string, string> = {}): void => {
      response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', ...headers });
      response.end(JSON.stringify(body));
    };
    if (this.failWith !== null) {
      response.writeHead(this.failWith).end();
    } else if (request.url === '/.well-known/openid-configuration') {
      this.requests.discovery++;
      send({
        issuer: this.issuer,
        authorization_endpoint: `${this.issuer}/oauth/authorize`,
        token_endpoint: `${this.issuer}/oauth/token`,
        userinfo_endpoint: `${this.issuer}/oauth/userinfo`,
        jwks_uri: `${this.issuer}/oauth/discovery/keys`,
        id_token_signing_alg_values_supported: ['RS256'],
        subject_types_supported: ['public'],
        response_types_supported: ['code'],
      });
    } else if (request.url === '/oauth/discovery/keys') {
      this.requests.keys++;
      send(this.jwks, { 'cache-control': this.cacheControl });
    } else {
      response.writeHead(404).end();
    }
  }
}

function sign(
  payload: Record<string, unknown>,
  header: { alg: string; kid: string },
  key: KeyObject,
): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ ...header, typ: 'JWT' }).sign(key);
}

async function createKey(): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair('rsa', { modulusLength: 2_048 });
  const jwk = await exportJWK(publicKey);
  const kid = await calculateJwkThumbprint(jwk);
  return { kid, privateKey, publicKey, jwk: { ...jwk, kid, use: 'sig', alg: 'RS256' } };
}
