import { createHash, randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { basic, type TestRegistry } from './test-registry.ts';

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar';

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Buffer;
  /** First entry of an error body. */
  readonly error: { readonly code: string; readonly message: string } | null;
}

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array | ReadableStream<Uint8Array>;
}

export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
}

export function digestOf(content: string | Uint8Array, algorithm = 'sha256'): string {
  return `${algorithm}:${createHash(algorithm).update(content).digest('hex')}`;
}

/** A user of the registry over HTTP. */
export class TestClient {
  readonly registry: TestRegistry;
  readonly authorization: string | null;

  constructor(registry: TestRegistry, user: string | null, authorization?: string) {
    this.registry = registry;
    this.authorization = authorization ?? (user === null ? null : basic(user));
  }

  /** The administrator, who is created when there is none yet. */
  static async admin(registry: TestRegistry): Promise<TestClient> {
    const [row] = await registry.database.source.query<object[]>(
      `SELECT 1 FROM principal WHERE name = 'admin'`,
    );
    if (row === undefined) await registry.createUser('admin', {}, true);
    return new TestClient(registry, 'admin');
  }

  /** The user `dev`, who maintains the new project `team/app`. */
  static async maintainer(registry: TestRegistry): Promise<TestClient> {
    await registry.createProject('team/app');
    await registry.createUser('dev', { 'team/app': 'maintainer' });
    return new TestClient(registry, 'dev');
  }

  async request(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    const response = await fetch(`${this.registry.url}${path}`, {
      method,
      redirect: 'manual',
      headers: {
        ...(this.authorization === null ? {} : { authorization: this.authorization }),
        ...options.headers,
      },
      ...(options.body === undefined
        ? {}
        : { body: options.body as NonNullable<RequestInit['body']>, duplex: 'half' }),
    } as RequestInit);
    const body = Buffer.from(await response.arrayBuffer());
    const isJson = response.headers.get('content-type') === 'application/json';
    const parsed =
      isJson && body.length > 0 ? (JSON.parse(body.toString()) as { errors?: Answer['error'][] }) : {};
    return { status: response.status, headers: response.headers, body, error: parsed.errors?.[0] ?? null };
  }

  /** A client with a token for these scopes. */
  async withToken(...scopes: string[]): Promise<TestClient> {
    const query = new URLSearchParams({ service: 'sluice' });
    for (const scope of scopes) query.append('scope', scope);
    const answer = await this.request('GET', `/service/token?${query.toString()}`);
    const { token } = JSON.parse(answer.body.toString()) as { token: string };
    return new TestClient(this.registry, null, `Bearer ${token}`);
  }

  /** Begins an upload and returns its location. */
  async begin(repository: string, query = ''): Promise<string> {
    const answer = await this.request('POST', `/v2/${repository}/blobs/uploads/${query}`);
    if (answer.status !== 202) throw new Error(`upload: ${answer.status} ${answer.body.toString()}`);
    return answer.headers.get('location') ?? '';
  }

  async pushBlob(
    repository: string,
    content: string | Uint8Array,
    mediaType = OCI_LAYER,
  ): Promise<Descriptor> {
    const digest = digestOf(content);
    const answer = await this.request('POST', `/v2/${repository}/blobs/uploads/?digest=${digest}`, {
      body: content,
    });
    if (answer.status !== 201) throw new Error(`blob: ${answer.status} ${answer.body.toString()}`);
    return { mediaType, digest, size: Buffer.byteLength(content) };
  }

  async putManifest(
    repository: string,
    reference: string,
    manifest: object,
    mediaType = OCI_MANIFEST,
  ): Promise<Answer> {
    return this.request('PUT', `/v2/${repository}/manifests/${reference}`, {
      headers: { 'content-type': mediaType },
      body: JSON.stringify(manifest),
    });
  }

  /** Pushes an image with one random layer; returns what was pushed. */
  async pushImage(
    repository: string,
    tag: string,
    extra: object = {},
  ): Promise<{ digest: string; manifest: string; config: Descriptor; layer: Descriptor; content: Buffer }> {
    const content = randomBytes(600);
    const layer = await this.pushBlob(repository, content);
    const config = await this.pushBlob(
      repository,
      `{"os":"linux","n":"${randomBytes(8).toString('hex')}"}`,
      OCI_CONFIG,
    );
    const document = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer], ...extra };
    const answer = await this.putManifest(repository, tag, document);
    if (answer.status !== 201) throw new Error(`manifest: ${answer.status} ${answer.body.toString()}`);
    const manifest = JSON.stringify(document);
    return { digest: digestOf(manifest), manifest, config, layer, content };
  }
}

/** Sends bytes as they are and returns everything that comes back until the other side closes. */
export async function rawExchange(registry: TestRegistry, request: string): Promise<string> {
  const socket = registry.connect();
  socket.end(request);
  return text(socket);
}
