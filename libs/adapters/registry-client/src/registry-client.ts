import { type Digest, isDigest, referrersTag } from '@sluice/domain/oci';
import { type Credentials, pull, push } from './authenticator.ts';
import { digestOf, mismatch } from './content-digest.ts';
import { RegistryClientError } from './errors.ts';
import { isLoopback } from './reference.ts';
import { type Descriptor, INDEX_MEDIA_TYPE, addReferrer, parseReferrers } from './referrers.ts';
import { discard, readLimited, toError } from './response.ts';
import { parseTags } from './tags.ts';
import { Transport } from './transport.ts';

export interface RegistryClientOptions {
  /** Host with port where one is needed. */
  readonly registry: string;
  /** Plain HTTP; by default only for registries on this machine. */
  readonly plainHttp?: boolean;
  readonly credentials?: Credentials | null;
  /** For one request with its body. */
  readonly timeoutMs?: number;
  readonly userAgent?: string;
}

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
}

/** A manifest whose bytes have been checked against its digest. */
export interface FetchedManifest {
  readonly bytes: Buffer;
  readonly mediaType: string;
  readonly digest: Digest;
}

const MANIFEST_MAX = 4 * 1024 * 1024;
const BLOB_MAX = 64 * 1024 * 1024;
const PAGE_MAX = 1000;
const FALLBACK_ATTEMPTS = 3;
const MANIFEST_TYPES = [
  'application/vnd.oci.image.manifest.v1+json',
  INDEX_MEDIA_TYPE,
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ');

/**
 * A small client of the OCI distribution protocol for one registry. Contents are held in memory, so every read has a
 * limit. Nothing is retried but a 401; every refusal is a {@link RegistryClientError}.
 */
export class RegistryClient {
  /** As given: the first component of references to this registry. */
  readonly registry: string;
  readonly #transport: Transport;

  constructor(options: RegistryClientOptions) {
    const isPlain = options.plainHttp ?? isLoopback(options.registry);
    const base = URL.parse(`${isPlain ? 'http' : 'https'}://${options.registry}/`);
    if (base === null || base.pathname !== '/' || base.username !== '' || base.search !== '') {
      throw new RegistryClientError(
        'REFERENCE_INVALID',
        `"${options.registry}" is no host with an optional port`,
      );
    }
    this.registry = options.registry;
    this.#transport = new Transport(
      base,
      options.credentials ?? null,
      options.timeoutMs ?? 120_000,
      options.userAgent ?? 'sluice',
    );
  }

  /** Checks that the registry answers and accepts the credentials. */
  async ping(options: RequestOptions = {}): Promise<void> {
    const response = await this.#transport.send({ method: 'GET', target: '/v2/', scope: null, ...options });
    if (response.status !== 200) throw await toError(response, `GET ${this.registry}/v2/`);
    await discard(response);
  }

  /** The manifest behind a tag or digest; null when there is none. */
  async findManifest(
    repository: string,
    reference: string,
    options: RequestOptions = {},
  ): Promise<FetchedManifest | null> {
    const target = `/v2/${repository}/manifests/${reference}`;
    const response = await this.#transport.send({
      method: 'GET',
      target,
      scope: pull(repository),
      headers: { accept: MANIFEST_TYPES },
      ...options,
    });
    if (response.status === 404) {
      await discard(response);
      return null;
    }
    if (response.status !== 200) throw await toError(response, `GET ${this.registry}${target}`);
    const bytes = await readLimited(response, MANIFEST_MAX, `the manifest ${reference}`);
    const stated = response.headers.get('docker-content-digest') ?? '';
    const expected = isDigest(reference) ? reference : isDigest(stated) ? stated : null;
    const digest = digestOf(bytes, expected);
    if (expected !== null && digest !== expected) throw mismatch(expected, digest);
    const mediaType = (response.headers.get('content-type') ?? '').replace(/;.*/s, '').trim();
    return { bytes, mediaType, digest };
  }

  /** As {@link findManifest}. @throws RegistryClientError NOT_FOUND */
  async getManifest(
    repository: string,
    reference: string,
    options: RequestOptions = {},
  ): Promise<FetchedManifest> {
    const manifest = await this.findManifest(repository, reference, options);
    if (manifest !== null) return manifest;
    const separator = isDigest(reference) ? '@' : ':';
    throw new RegistryClientError(
      'NOT_FOUND',
      `${this.registry}/${repository}${separator}${reference} does not exist, or is not visible to you`,
      { status: 404 },
    );
  }

  /** What the registry says of a manifest without sending it; null when there is none. */
  async headManifest(
    repository: string,
    reference: string,
    options: RequestOptions = {},
  ): Promise<Descriptor | null> {
    const target = `/v2/${repository}/manifests/${reference}`;
    const response = await this.#transport.send({
      method: 'HEAD',
      target,
      scope: pull(repository),
      headers: { accept: MANIFEST_TYPES },
      ...options,
    });
    if (response.status === 404) return null;
    if (response.status !== 200) throw await toError(response, `HEAD ${this.registry}${target}`);
    const digest = response.headers.get('docker-content-digest') ?? reference;
    if (!isDigest(digest)) throw new RegistryClientError('PROTOCOL', `HEAD ${target} names no digest`);
    return {
      mediaType: response.headers.get('content-type') ?? '',
      digest,
      size: Number(response.headers.get('content-length') ?? 0),
    };
  }

  /**
   * Pushes a manifest under a tag, or under its digest.
   *
   * @returns its digest, and the subject that the registry has taken note of (`OCI-Subject`)
   */
  async putManifest(
    repository: string,
    reference: string,
    manifest: { readonly bytes: Uint8Array; readonly mediaType: string },
    options: RequestOptions = {},
  ): Promise<{ readonly digest: Digest; readonly subject: Digest | null }> {
    const target = `/v2/${repository}/manifests/${reference}`;
    const response = await this.#transport.send({
      method: 'PUT',
      target,
      scope: push(repository),
      headers: { 'content-type': manifest.mediaType },
      body: manifest.bytes,
      ...options,
    });
    if (response.status !== 201) throw await toError(response, `PUT ${this.registry}${target}`);
    await discard(response);
    const stated = response.headers.get('docker-content-digest') ?? '';
    const digest = digestOf(manifest.bytes, isDigest(reference) ? reference : null);
    if (isDigest(stated) && stated !== digest) throw mismatch(digest, stated);
    const subject = response.headers.get('oci-subject') ?? '';
    return { digest, subject: isDigest(subject) ? subject : null };
  }

  /** Whether the repository has the blob. */
  async hasBlob(repository: string, digest: Digest, options: RequestOptions = {}): Promise<boolean> {
    const target = `/v2/${repository}/blobs/${digest}`;
    const response = await this.#transport.send({
      method: 'HEAD',
      target,
      scope: push(repository),
      ...options,
    });
    if (response.status === 404) return false;
    if (response.status !== 200) throw await toError(response, `HEAD ${this.registry}${target}`);
    return true;
  }

  /** A blob in memory, checked against its digest. @throws RegistryClientError NOT_FOUND, TOO_LARGE, DIGEST_MISMATCH */
  async getBlob(
    repository: string,
    digest: Digest,
    options: RequestOptions & { readonly maxBytes?: number } = {},
  ): Promise<Buffer> {
    const target = `/v2/${repository}/blobs/${digest}`;
    const response = await this.#transport.send({
      method: 'GET',
      target,
      scope: pull(repository),
      signal: options.signal,
    });
    if (response.status !== 200) throw await toError(response, `GET ${this.registry}${target}`);
    const bytes = await readLimited(response, options.maxBytes ?? BLOB_MAX, `the blob ${digest}`);
    const found = digestOf(bytes, digest);
    if (found !== digest) throw mismatch(digest, found);
    return bytes;
  }

  /** Pushes a blob in one piece, unless it is there already. Returns its SHA-256 digest. */
  async putBlob(repository: string, bytes: Uint8Array, options: RequestOptions = {}): Promise<Digest> {
    const digest = digestOf(bytes, null);
    if (await this.hasBlob(repository, digest, options)) return digest;
    const start = `/v2/${repository}/blobs/uploads/`;
    const scope = push(repository);
    const session = await this.#transport.send({ method: 'POST', target: start, scope, ...options });
    if (session.status !== 202) throw await toError(session, `POST ${this.registry}${start}`);
    await discard(session);
    const location = this.#transport.resolve(session.headers.get('location'));
    location.searchParams.set('digest', digest);
    const response = await this.#transport.send({
      method: 'PUT',
      target: location,
      scope,
      headers: { 'content-type': 'application/octet-stream' },
      body: bytes,
      ...options,
    });
    if (response.status !== 201) throw await toError(response, `PUT ${this.registry}${location.pathname}`);
    await discard(response);
    return digest;
  }

  /** Everything that refers to the digest, by the referrers API or, where there is none, by the fallback tag. */
  async listReferrers(
    repository: string,
    subject: Digest,
    options: RequestOptions = {},
  ): Promise<readonly Descriptor[]> {
    const found: Descriptor[] = [];
    let target: string | URL | null = `/v2/${repository}/referrers/${subject}`;
    for (let page = 0; target !== null && page < PAGE_MAX; page += 1) {
      const response: Response = await this.#transport.send({
        method: 'GET',
        target,
        scope: pull(repository),
        headers: { accept: INDEX_MEDIA_TYPE },
        ...options,
      });
      const type = (response.headers.get('content-type') ?? '').replace(/;.*/s, '').trim();
      if ([400, 404, 405, 406].includes(response.status) || (response.ok && type !== INDEX_MEDIA_TYPE)) {
        await discard(response);
        const fallback = await this.findManifest(repository, referrersTag(subject), options);
        return fallback === null ? [] : parseReferrers(fallback.bytes);
      }
      if (response.status !== 200) throw await toError(response, `GET the referrers of ${subject}`);
      found.push(...parseReferrers(await readLimited(response, MANIFEST_MAX, 'the list of referrers')));
      target = this.#nextPage(response, target);
    }
    return found;
  }

  /**
   * Pushes a manifest that has a subject, by its digest. Where the registry takes no note of subjects, the index
   * behind the fallback tag is extended, and read again because others may write it at the same time.
   */
  async pushReferrer(
    repository: string,
    subject: Digest,
    manifest: {
      readonly bytes: Uint8Array;
      readonly mediaType: string;
      readonly artifactType: string;
      readonly annotations?: Readonly<Record<string, string>>;
    },
    options: RequestOptions = {},
  ): Promise<Digest> {
    const digest = digestOf(manifest.bytes, null);
    const put = await this.putManifest(repository, digest, manifest, options);
    if (put.subject === subject) return digest;
    const { mediaType, artifactType, annotations } = manifest;
    const size = manifest.bytes.byteLength;
    const entry = {
      mediaType,
      digest,
      size,
      artifactType,
      ...(annotations === undefined ? {} : { annotations }),
    };
    const tag = referrersTag(subject);
    for (let attempt = 1; attempt <= FALLBACK_ATTEMPTS; attempt += 1) {
      const existing = await this.findManifest(repository, tag, options);
      const index = addReferrer(existing?.bytes ?? null, entry);
      if (existing !== null && index.equals(existing.bytes)) return digest;
      await this.putManifest(repository, tag, { bytes: index, mediaType: INDEX_MEDIA_TYPE }, options);
    }
    const last = await this.findManifest(repository, tag, options);
    if (last !== null && addReferrer(last.bytes, entry).equals(last.bytes)) return digest;
    throw new RegistryClientError('REFUSED', `others keep overwriting ${this.registry}/${repository}:${tag}`);
  }

  /** All tags in the order of the registry. */
  async listTags(repository: string, options: RequestOptions = {}): Promise<readonly string[]> {
    const tags: string[] = [];
    let target: string | URL | null = `/v2/${repository}/tags/list`;
    for (let page = 0; target !== null && page < PAGE_MAX; page += 1) {
      const response: Response = await this.#transport.send({
        method: 'GET',
        target,
        scope: pull(repository),
        ...options,
      });
      if (response.status !== 200) throw await toError(response, `GET the tags of ${repository}`);
      tags.push(...parseTags(await readLimited(response, MANIFEST_MAX, 'the list of tags')));
      target = this.#nextPage(response, target);
    }
    return tags;
  }

  #nextPage(response: Response, current: string | URL): URL | null {
    const next = /<([^>]*)>\s*;\s*rel="?next"?/.exec(response.headers.get('link') ?? '')?.[1];
    return next === undefined ? null : this.#transport.resolve(next, new URL(current, this.#transport.base));
  }
}
