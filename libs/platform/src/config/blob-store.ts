import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where blobs are kept, as `SLUICE_BLOB_STORE` says. */
export type BlobStoreLocation =
  | { readonly kind: 'directory'; readonly path: string }
  | {
      readonly kind: 's3';
      readonly bucket: string;
      /** Without slashes at its ends; empty for none. */
      readonly prefix: string;
      /** Undefined: Amazon's own. */
      readonly endpoint: string | undefined;
      /** Where clients reach the store, when by another name than Sluice. */
      readonly publicEndpoint: string | undefined;
      readonly region: string;
      readonly pathStyle: boolean;
    };

const FORMS = 'expected file:///directory or s3://bucket/prefix?endpoint=https://s3.example.com';
const PARAMETERS = ['endpoint', 'publicEndpoint', 'region', 'pathStyle'];
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const PREFIX = /^[\w.-]+(?:\/[\w.-]+)*$/;
const REGION = /^[a-z0-9-]+$/;

/** Says what is wrong with a URL and what is allowed. */
export class BlobStoreFault extends Error {}

/** @throws BlobStoreFault */
export function parseBlobStore(text: string): BlobStoreLocation {
  if (!URL.canParse(text)) throw new BlobStoreFault(FORMS);
  const url = new URL(text);
  switch (url.protocol) {
    case 'file:':
      return { kind: 'directory', path: directoryOf(url) };
    case 's3:':
      return parseS3(url);
    default:
      throw new BlobStoreFault(FORMS);
  }
}

function directoryOf(url: URL): string {
  if (url.host !== '' || !isAbsolute(fileURLToPath(url)))
    throw new BlobStoreFault('expected file:///directory');
  return fileURLToPath(url);
}

function parseS3(url: URL): BlobStoreLocation {
  if (url.username !== '' || url.password !== '') {
    throw new BlobStoreFault(
      'expected no keys in the URL: set SLUICE_S3_ACCESS_KEY and SLUICE_S3_SECRET_KEY',
    );
  }
  if (!BUCKET.test(url.host)) {
    throw new BlobStoreFault(
      `expected s3:// and the name of a bucket: 3 to 63 of a-z, 0-9, "." and "-", and no port`,
    );
  }
  const prefix = url.pathname.replaceAll(/^\/+|\/+$/g, '');
  if (prefix !== '' && (!PREFIX.test(prefix) || /(?:^|\/)\.\.?(?:\/|$)/.test(prefix))) {
    throw new BlobStoreFault('expected a prefix of letters, digits, "_", ".", "-" and "/" behind the bucket');
  }
  return { kind: 's3', bucket: url.host, prefix, ...parseParameters(url.searchParams) };
}

function parseParameters(parameters: URLSearchParams) {
  for (const name of parameters.keys()) {
    if (!PARAMETERS.includes(name)) {
      throw new BlobStoreFault(`"${name}" is no parameter of s3://: expected ${PARAMETERS.join(', ')}`);
    }
    if (parameters.getAll(name).length > 1) throw new BlobStoreFault(`expected ${name} only once`);
  }
  const region = parameters.get('region') ?? 'us-east-1';
  if (!REGION.test(region)) throw new BlobStoreFault('expected a region such as us-east-1');
  const pathStyle = parameters.get('pathStyle') ?? 'true';
  if (pathStyle !== 'true' && pathStyle !== 'false')
    throw new BlobStoreFault('expected pathStyle=true or false');
  return {
    endpoint: parseEndpoint(parameters, 'endpoint'),
    publicEndpoint: parseEndpoint(parameters, 'publicEndpoint'),
    region,
    pathStyle: pathStyle === 'true',
  };
}

function parseEndpoint(parameters: URLSearchParams, name: string): string | undefined {
  const text = parameters.get(name);
  if (text === null) return undefined;
  const url = URL.canParse(text) ? new URL(text) : null;
  const isBare =
    url !== null && url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '';
  if (!isBare || !/^https?:$/.test(url.protocol)) {
    throw new BlobStoreFault(`expected ${name}=https://host:port (or http), without a path`);
  }
  return url.origin;
}
