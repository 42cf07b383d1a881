/** Pushes content with nothing but HTTP, so that benches and attacks decide every byte of a request themselves. */

export interface PushTarget {
  /** `http://127.0.0.1:5000` */
  readonly url: string;
  readonly repository: string;
  /** Value of the Authorization header, undefined for a registry without authentication. */
  readonly authorization?: string | undefined;
}

interface Pushable {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly digest: string;
}

export async function pushBlob(target: PushTarget, blob: { bytes: Buffer; digest: string }): Promise<void> {
  const start = await request(target, 'POST', `/v2/${target.repository}/blobs/uploads/`);
  await expectStatus(start, 202, 'starting an upload');
  const location = new URL(start.headers.get('location') ?? '', target.url);
  location.searchParams.set('digest', blob.digest);
  const done = await fetch(location, {
    method: 'PUT',
    headers: { ...headers(target), 'content-type': 'application/octet-stream' },
    body: new Uint8Array(blob.bytes),
  });
  await expectStatus(done, 201, `pushing blob ${blob.digest}`);
}

/** As docker and crane do it: the bytes in one streamed PATCH, then an empty PUT that names the digest. */
export async function pushBlobStreamed(
  target: PushTarget,
  blob: { bytes: Buffer; digest: string },
): Promise<void> {
  const start = await request(target, 'POST', `/v2/${target.repository}/blobs/uploads/`);
  await expectStatus(start, 202, 'starting an upload');
  const patched = await fetch(new URL(start.headers.get('location') ?? '', target.url), {
    method: 'PATCH',
    headers: { ...headers(target), 'content-type': 'application/octet-stream' },
    body: new Uint8Array(blob.bytes),
  });
  await expectStatus(patched, 202, 'sending the bytes');
  const location = new URL(patched.headers.get('location') ?? '', target.url);
  location.searchParams.set('digest', blob.digest);
  const done = await fetch(location, { method: 'PUT', headers: headers(target) });
  await expectStatus(done, 201, `pushing blob ${blob.digest}`);
}

export async function pushManifest(target: PushTarget, manifest: Pushable, reference: string): Promise<void> {
  const answer = await fetch(`${target.url}/v2/${target.repository}/manifests/${reference}`, {
    method: 'PUT',
    headers: { ...headers(target), 'content-type': manifest.mediaType },
    body: new Uint8Array(manifest.bytes),
  });
  if (answer.status !== 201) throw new Error(`pushing ${reference}: ${answer.status} ${await answer.text()}`);
}

export async function pushImage(
  target: PushTarget,
  image: { manifest: Pushable; config: Pushable; layers: readonly { bytes: Buffer; digest: string }[] },
  reference: string,
): Promise<void> {
  for (const blob of [...image.layers, image.config]) await pushBlob(target, blob);
  await pushManifest(target, image.manifest, reference);
}

/** Gets a Bearer token for the scopes as a client would, with Basic credentials. */
/** A registry token, with the rights of nobody in particular when there is no authorization. */
export async function bearer(
  url: string,
  authorization: string | null,
  ...scopes: string[]
): Promise<string> {
  const challenge = await fetch(`${url}/v2/`);
  const header = challenge.headers.get('www-authenticate') ?? '';
  const [, realm = ''] = /realm="([^"]+)"/.exec(header) ?? [];
  const [, service = ''] = /service="([^"]+)"/.exec(header) ?? [];
  const token = new URL(realm);
  token.searchParams.set('service', service);
  for (const scope of scopes) token.searchParams.append('scope', scope);
  const answer = await fetch(token, { headers: authorization === null ? {} : { authorization } });
  await expectStatus(answer, 200, `asking ${realm} for a token`);
  return `Bearer ${((await answer.json()) as { token: string }).token}`;
}

async function request(target: PushTarget, method: string, path: string): Promise<Response> {
  return fetch(`${target.url}${path}`, { method, headers: headers(target) });
}

function headers(target: PushTarget): Record<string, string> {
  return target.authorization === undefined ? {} : { authorization: target.authorization };
}

async function expectStatus(answer: Response, status: number, what: string): Promise<void> {
  if (answer.status === status) return;
  throw new Error(`${what}: ${answer.status} instead of ${status}: ${await answer.text()}`);
}
