import {
  type Digest,
  OciError,
  type RepositoryName,
  type Tag,
  parseDigest,
  parseRepositoryName,
  parseTag,
} from '@sluice/domain/oci';
import { RegistryClientError } from './errors.ts';

/** A full image reference; the registry is always part of it. */
export interface ImageReference {
  /** Host with port where one is given, e.g. `127.0.0.1:8080`. */
  readonly registry: string;
  readonly repository: RepositoryName;
  /** `latest` when neither tag nor digest is given. */
  readonly tag: Tag | null;
  readonly digest: Digest | null;
}

const HOST = /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?|\[[0-9a-fA-F:.]+\])(?::[0-9]{1,5})?$/;

/**
 * Parses `host[:port]/repository[:tag][@digest]`.
 *
 * No registry is ever assumed: the first component must look like a host (a dot, a port, or `localhost`).
 *
 * @throws RegistryClientError REFERENCE_INVALID
 */
export function parseReference(text: string): ImageReference {
  const slash = text.indexOf('/');
  const registry = text.slice(0, Math.max(slash, 0));
  if (!HOST.test(registry) || !(/[.:]/.test(registry) || registry === 'localhost')) {
    throw new RegistryClientError(
      'REFERENCE_INVALID',
      `"${text.slice(0, 160)}" names no registry: expected host[:port]/repository[:tag][@digest]`,
    );
  }
  const [named = '', digest, ...more] = text.slice(slash + 1).split('@');
  const colon = named.lastIndexOf(':');
  const repository = colon === -1 ? named : named.slice(0, colon);
  const tag = colon === -1 ? null : named.slice(colon + 1);
  try {
    if (more.length > 0) throw new OciError('DIGEST_INVALID', 'more than one "@"');
    const parsedDigest = digest === undefined ? null : parseDigest(digest);
    return {
      registry,
      repository: parseRepositoryName(repository),
      tag: tag === null ? (parsedDigest === null ? parseTag('latest') : null) : parseTag(tag),
      digest: parsedDigest,
    };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : '';
    throw new RegistryClientError('REFERENCE_INVALID', `"${text.slice(0, 160)}": ${reason}`, { cause });
  }
}

/** Whether the registry is on this machine, where plain HTTP is what clients use by default. */
export function isLoopback(registry: string): boolean {
  const host = registry.replace(/:[0-9]+$/, '');
  return host === 'localhost' || host === '[::1]' || /^127(?:\.[0-9]{1,3}){3}$/.test(host);
}
