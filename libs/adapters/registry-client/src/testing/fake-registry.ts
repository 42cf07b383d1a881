import { createHash, randomUUID } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How the fake behaves. Everything may be changed while it runs. */
export interface FakeRegistryOptions {
  authentication: 'none' | 'basic' | 'bearer';
  /** User name -> password. */
  users: Record<string, string>;
  /** False: no referrers API and no `OCI-Subject`, so that clients must keep the fallback tag. */
  hasReferrersApi: boolean;
  /** Entries of one page of tags or referrers. */
  pageSize: number;
  /** Looks at each request first; true when it has answered it itself. */
  intercept: (request: IncomingMessage, response: ServerResponse) => boolean;
}

export interface RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
}

interface StoredManifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
}

interface StoredRepository {
  readonly blobs: Map<string, Buffer>;
  readonly manifests: Map<string, StoredManifest>;
  readonly tags: Map<string, string>;
}

/** A registry in memory on a free port of this machine, just large enough for clients to be tested against. */
export interface FakeRegistry {
  /** `127.0.0.1:<port>` */
  readonly host: string;
  readonly options: FakeRegistryOptions;
  readonly requests: RecordedRequest[];
  readonly repositories: Map<string, StoredRepository>;
  close(): Promise<void>;
}

interface Exchange {
  readonly url: URL;
  readonly method: string;
  readonly contentType: string;
  readonly body: Buffer;
  readonly repository: StoredRepository;
  readonly name: string;
}

type Reply = readonly [status: number, headers: Record<string, string>, body?: Buffer | string];

const INDEX = 'application/vnd.oci.image.index.v1+json';
const ROUTE = /^\/v2\/(.+)\/(manifests|blobs|referrers|tags)\/(.*)$/;

export async function startFakeRegistry(options: Partial<FakeRegistryOptions> = {}): Promise<FakeRegistry> {
  const repositories = new Map<string, StoredRepository>();
  const requests: RecordedRequest[] = [];
  const behaviour: FakeRegistryOptions = {
    authentication: 'none',
    users: {},
    hasReferrersApi: true,
    pageSize: 100,
    intercept: () => false,
    ...options,
  };
  const tokens = new Map<string, string>();
  const server = createServer((request, response) => {
    const path = request.url ?? '/';
    requests.push({
      method: request.method ?? '',
      path,
      authorization: request.headers.authorization,
    });
    if (behaviour.intercept(request, response)) return;
    const host = request.headers.host ?? '';
    void readBody(request).then((body) => {
      const [status, headers, answer] = handle(request, new URL(path, `http://${host}`), body);
      response.writeHead(status, headers);
      response.end(request.method === 'HEAD' ? undefined : answer);
    });
  });

  const handle = (request: IncomingMessage, url: URL, body: Buffer): Reply => {
    const user = basicUser(request.headers.authorization, behaviour.users);
    if (url.pathname === '/token') return issueToken(url, user, tokens);
    const refusal = authenticate(request, url, user);
    if (refusal !== null) return refusal;
    if (url.pathname === '/v2/') return [200, {}];
    const [, name = '', kind = '', rest = ''] = ROUTE.exec(url.pathname) ?? [];
    const repository = repositories.get(name) ?? { blobs: new Map(), manifests: new Map(), tags: new Map() };
    if (request.method !== 'GET' && request.method !== 'HEAD') repositories.set(name, repository);
    const contentType = request.headers['content-type'] ?? '';
    const exchange = { url, method: request.method ?? '', contentType, body, repository, name };
    switch (kind) {
      case 'manifests':
        return exchange.method === 'PUT'
          ? putManifest(exchange, rest, behaviour.hasReferrersApi)
          : getManifest(exchange, rest);
      case 'blobs':
        return rest.startsWith('uploads/') ? upload(exchange) : getBlob(exchange, rest);
      case 'referrers':
        return behaviour.hasReferrersApi
          ? listReferrers(exchange, rest, behaviour.pageSize)
          : refuse(404, 'UNSUPPORTED');
      case 'tags':
        return listTags(exchange, behaviour.pageSize);
      default:
        return refuse(404, 'NAME_UNKNOWN');
    }
  };

  const authenticate = (request: IncomingMessage, url: URL, user: string | null): Reply | null => {
    const { authorization = '' } = request.headers;
    if (behaviour.authentication === 'none') return null;
    if (behaviour.authentication === 'basic')
      return user === null ? challenge('Basic realm="registry"') : null;
    const name = ROUTE.exec(url.pathname)?.[1];
    const action = request.method === 'GET' || request.method === 'HEAD' ? 'pull' : 'push';
    const scope = tokens.get(authorization.replace(/^Bearer /, ''));
    const isAllowed =
      scope !== undefined &&
      (name === undefined || new RegExp(`^repository:${name}:.*${action}`).test(scope));
    if (isAllowed) return null;
    const wanted = name === undefined ? '' : `,scope="repository:${name}:${action}"`;
    return challenge(`Bearer realm="${url.origin}/token",service="fake"${wanted}`);
  };

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    host: `127.0.0.1:${port}`,
    options: behaviour,
    requests,
    repositories,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function issueToken(url: URL, user: string | null, tokens: Map<string, string>): Reply {
  if (user === null) return refuse(401, 'UNAUTHORIZED');
  const token = randomUUID();
  tokens.set(token, url.searchParams.getAll('scope').join(' '));
  return [200, { 'content-type': 'application/json' }, JSON.stringify({ token, expires_in: 300 })];
}

function getManifest({ repository }: Exchange, reference: string): Reply {
  const digest = repository.tags.get(reference) ?? reference;
  const manifest = repository.manifests.get(digest);
  if (manifest === undefined) return refuse(404, 'MANIFEST_UNKNOWN');
  const { bytes, mediaType } = manifest;
  return [200, { 'content-type': mediaType, ...describe(bytes, digest) }, bytes];
}

function putManifest(exchange: Exchange, reference: string, notesSubject: boolean): Reply {
  const { repository, body, contentType } = exchange;
  const digest = digestOf(body);
  if (reference.startsWith('sha256:') && reference !== digest) return refuse(400, 'DIGEST_INVALID');
  repository.manifests.set(digest, { bytes: body, mediaType: contentType });
  if (!reference.startsWith('sha256:')) repository.tags.set(reference, digest);
  const { subject } = JSON.parse(body.toString()) as { subject?: { digest: string } };
  const noted = notesSubject && subject !== undefined ? { 'oci-subject': subject.digest } : {};
  return [201, { 'docker-content-digest': digest, location: `/v2/x/manifests/${digest}`, ...noted }];
}

function getBlob({ repository }: Exchange, digest: string): Reply {
  const bytes = repository.blobs.get(digest);
  return bytes === undefined ? refuse(404, 'BLOB_UNKNOWN') : [200, describe(bytes, digest), bytes];
}

function upload({ method, url, repository, body, name }: Exchange): Reply {
  if (method === 'POST') return [202, { location: `/v2/${name}/blobs/uploads/${randomUUID()}?state=kept` }];
  const digest = url.searchParams.get('digest') ?? '';
  if (url.searchParams.get('state') !== 'kept') return refuse(404, 'BLOB_UPLOAD_UNKNOWN');
  if (digestOf(body) !== digest) return refuse(400, 'DIGEST_INVALID');
  repository.blobs.set(digest, body);
  return [201, { location: `/v2/${name}/blobs/${digest}`, 'docker-content-digest': digest }];
}

function listReferrers({ repository, url }: Exchange, subject: string, pageSize: number): Reply {
  const all = [...repository.manifests].flatMap(([digest, { bytes, mediaType }]) => {
    const manifest = JSON.parse(bytes.toString()) as {
      subject?: { digest: string };
      artifactType?: string;
      annotations?: unknown;
    };
    const { artifactType, annotations } = manifest;
    return manifest.subject?.digest === subject
      ? [{ mediaType, digest, size: bytes.length, artifactType, annotations }]
      : [];
  });
  const [manifests, link] = page(all, url, pageSize);
  const body = JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests });
  return [200, { 'content-type': INDEX, ...link }, body];
}

function listTags({ repository, url, name }: Exchange, pageSize: number): Reply {
  const [tags, link] = page([...repository.tags.keys()].toSorted(), url, pageSize);
  return [200, { 'content-type': 'application/json', ...link }, JSON.stringify({ name, tags })];
}

function page<T>(all: readonly T[], url: URL, size: number): [T[], Record<string, string>] {
  const start = Number(url.searchParams.get('start') ?? 0);
  const end = start + size;
  const link = end < all.length ? { link: `<${url.pathname}?start=${end}>; rel="next"` } : {};
  return [all.slice(start, end), link];
}

function describe(bytes: Buffer, digest: string): Record<string, string> {
  return { 'content-length': String(bytes.length), 'docker-content-digest': digest };
}

function refuse(status: number, code: string): Reply {
  return [
    status,
    { 'content-type': 'application/json' },
    JSON.stringify({ errors: [{ code, message: code }] }),
  ];
}

function challenge(header: string): Reply {
  const [status, headers, body] = refuse(401, 'UNAUTHORIZED');
  return [status, { ...headers, 'www-authenticate': header }, body ?? ''];
}

function basicUser(authorization: string | undefined, users: Record<string, string>): string | null {
  const [name = '', password] = Buffer.from((authorization ?? '').replace(/^Basic /, ''), 'base64')
    .toString()
    .split(':');
  return password !== undefined && users[name] === password ? name : null;
}

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
