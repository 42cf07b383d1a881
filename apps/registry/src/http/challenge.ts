import type { IncomingMessage } from 'node:http';
import type { RepositoryAction } from '@sluice/domain/access';
import type { DistributionPath, RepositoryName } from '@sluice/domain/oci';

export interface ChallengeSettings {
  /** URL under which clients reach Sluice, without a slash at its end. */
  readonly publicUrl: string;
  /** Service name in challenges; tokens are issued for it. */
  readonly service: string;
  /** Whether `X-Forwarded-Proto` comes from a proxy of ours. */
  readonly trustForwardedProto: boolean;
}

export const TOKEN_PATH = '/service/token';

/** Why a request that had credentials is challenged again (token specification; RFC 6750, 3.1). */
export type ChallengeError = 'invalid_token' | 'insufficient_scope';

/** `WWW-Authenticate` for a request that is not authorised. */
export function challenge(
  request: IncomingMessage,
  settings: ChallengeSettings,
  scope: string | null,
  error: ChallengeError | null,
): string {
  return [
    `Bearer realm="${baseUrl(request, settings)}${TOKEN_PATH}"`,
    `service="${settings.service}"`,
    ...(scope === null ? [] : [`scope="${scope}"`]),
    ...(error === null ? [] : [`error="${error}"`]),
  ].join(',');
}

/**
 * What a client must ask a token for to do what it tried; null when no scope would help.
 *
 * @param mountFrom the repository that a blob is to be mounted from
 */
export function scopeFor(
  path: DistributionPath,
  action: RepositoryAction | null,
  mountFrom: RepositoryName | null,
): string | null {
  if (path.kind === 'base') return null;
  if (path.kind === 'catalog') return 'registry:catalog:*';
  if (action === null) return null;
  const own = `repository:${path.repository}:${action === 'push' ? 'pull,push' : action}`;
  return mountFrom === null ? own : `${own} repository:${mountFrom}:pull`;
}

/**
 * The URL by which this client reaches us. The token endpoint must have the host that the client knows: clients refuse
 * to send credentials to another (go-containerregistry since 0.21), and inside a network that is often not the public
 * one.
 */
function baseUrl(request: IncomingMessage, settings: ChallengeSettings): string {
  const host = request.headers.host ?? '';
  if (!/^[A-Za-z0-9.-]+(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$/.test(host)) return settings.publicUrl;
  const [scheme = 'http', authority] = settings.publicUrl.split('://');
  if (authority?.split('/')[0] === host) return `${scheme}://${host}`;
  const forwarded = request.headers['x-forwarded-proto'];
  if (settings.trustForwardedProto && (forwarded === 'https' || forwarded === 'http')) {
    return `${forwarded}://${host}`;
  }
  return `${'encrypted' in request.socket ? 'https' : 'http'}://${host}`;
}
