import { readFile } from 'node:fs/promises';

/** A JWK set as text, and for how long its source says it may be kept. */
export interface FetchedKeys {
  readonly text: string;
  readonly maxAgeSeconds: number;
}

export type KeySource = () => Promise<FetchedKeys>;

export interface HttpSourceOptions {
  readonly issuer: string;
  /** Absent: taken from the issuer's discovery document, and then only from the issuer's own host. */
  readonly jwksUri?: string;
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/** When the issuer does not say how long its keys may be kept. */
const DEFAULT_MAX_AGE_SECONDS = 300;
/** A file is looked at again this often. */
const FILE_MAX_AGE_SECONDS = 60;

/** Reads the keys of an issuer over HTTP (OpenID Connect Discovery 1.0, 4). */
export function httpSource(options: HttpSourceOptions): KeySource {
  return async () => {
    const uri = options.jwksUri ?? (await discoverJwksUri(options));
    const { text, cacheControl } = await fetchText(uri, options);
    return { text, maxAgeSeconds: maxAgeOf(cacheControl) };
  };
}

/** Keys pinned in a file, for installations that cannot reach their GitLab or do not want to. */
export function fileSource(path: string): KeySource {
  return async () => ({ text: await readFile(path, 'utf8'), maxAgeSeconds: FILE_MAX_AGE_SECONDS });
}

async function discoverJwksUri(options: HttpSourceOptions): Promise<string> {
  const url = `${options.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const document = JSON.parse((await fetchText(url, options)).text) as {
    issuer?: unknown;
    jwks_uri?: unknown;
  } | null;
  if (document?.issuer !== options.issuer) {
    throw new Error(`the discovery document names another issuer: ${String(document?.issuer).slice(0, 160)}`);
  }
  const uri = document.jwks_uri;
  if (typeof uri !== 'string' || !URL.canParse(uri))
    throw new Error('the discovery document has no jwks_uri');
  const { protocol, host } = new URL(uri);
  const issuer = new URL(options.issuer);
  // Whoever could change the discovery document could else point us at keys of their own.
  if (host !== issuer.host || protocol !== issuer.protocol) {
    throw new Error(`jwks_uri ${uri.slice(0, 160)} is not at ${issuer.origin}: configure it to allow it`);
  }
  return uri;
}

async function fetchText(
  url: string,
  options: HttpSourceOptions,
): Promise<{ text: string; cacheControl: string | null }> {
  const response = await fetch(url, {
    headers: { accept: 'application/json' },
    redirect: 'error',
    signal: AbortSignal.timeout(options.timeoutMs),
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`${url} answered ${response.status}`);
  }
  return {
    text: await readLimited(response, url, options.maxBytes),
    cacheControl: response.headers.get('cache-control'),
  };
}

async function readLimited(response: Response, url: string, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength;
    if (size > maxBytes) throw new Error(`${url} answered more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** RFC 9111, 5.2.2. `no-store` and `no-cache` mean: ask again next time (but never without a cool-down). */
function maxAgeOf(cacheControl: string | null): number {
  if (cacheControl === null) return DEFAULT_MAX_AGE_SECONDS;
  if (/\bno-(?:store|cache)\b/i.test(cacheControl)) return 0;
  const seconds = /\bmax-age=(\d{1,9})\b/i.exec(cacheControl)?.[1];
  return seconds === undefined ? DEFAULT_MAX_AGE_SECONDS : Number(seconds);
}
