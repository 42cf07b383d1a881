import type { AuditLog, SecretStore } from '@sluice/database';
import {
  AccessError,
  type Caller,
  parseRequestedScopes,
  type RepositoryAccess,
  requestedActions,
  SluiceError,
} from '@sluice/domain/access';
import { isRepositoryName } from '@sluice/domain/oci';
import type { AccessControl } from './access-control.ts';
import type { Authentication } from './authentication.ts';
import type { RegistryTokens } from './registry-tokens.ts';
import type { SecretHasher } from './secret-hasher.ts';

/** Error codes of RFC 6749, 5.2, which the POST form answers with. */
export type TokenRequestErrorCode =
  'invalid_request' | 'invalid_scope' | 'unsupported_grant_type' | 'invalid_target';

/** A token request that asks for something which is not on offer; wrong credentials are AccessErrors. */
export class TokenRequestError extends SluiceError<TokenRequestErrorCode> {
  readonly code: TokenRequestErrorCode;

  constructor(code: TokenRequestErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** The parsed parameters of a token request, from the query (GET) or the form (POST); a repeated one keeps all values. */
export interface TokenRequest {
  readonly parameters: Readonly<Record<string, readonly string[]>>;
  readonly authorization: string | undefined;
  readonly clientAddress: string;
  readonly requestId: string | null;
}

/** What clients get: the names of both the token specification and OAuth 2. */
export interface TokenResponse {
  readonly token: string;
  readonly access_token: string;
  readonly token_type: 'Bearer';
  readonly expires_in: number;
  /** RFC 3339 */
  readonly issued_at: string;
  /** The granted scopes in the grammar of the request, which may be fewer than asked. */
  readonly scope: string;
  /** Only for a POST that asked for `access_type=offline`. */
  readonly refresh_token?: string;
}

export interface TokenEndpointParts {
  readonly authentication: Authentication;
  readonly access: AccessControl;
  readonly tokens: RegistryTokens;
  readonly secrets: SecretStore;
  readonly hasher: SecretHasher;
  readonly audit: AuditLog;
  /** The service name that the registry puts into its challenges. */
  readonly service: string;
}

const REFRESH_DAYS = 90;
/** A user logs in on so many machines; another login ends the oldest. */
const REFRESH_LIMIT = 100;

/**
 * Issues registry tokens (distribution, token and oauth2 specifications). A token carries what of the asked actions
 * the caller has: asking for more is no error, the registry refuses what the token lacks.
 */
export class TokenEndpoint {
  readonly #parts: TokenEndpointParts;
  readonly #now: () => Date;

  constructor(parts: TokenEndpointParts, now: () => Date = () => new Date()) {
    this.#parts = parts;
    this.#now = now;
  }

  get service(): string {
    return this.#parts.service;
  }

  /**
   * `GET ?service&scope&scope…`, with Basic credentials or anonymous. Never returns a refresh token, although clients
   * ask for one (`offline_token`): docker would put it in the place of what the user logged in with.
   *
   * @throws AccessError for wrong credentials, TokenRequestError for a wrong request
   */
  async get(request: TokenRequest): Promise<TokenResponse> {
    this.#checkService(request);
    const caller = await this.#parts.authentication.authenticate(
      request.authorization,
      request.clientAddress,
    );
    if (caller.access !== null) {
      throw new AccessError(
        'credentials-invalid',
        'a registry token cannot be traded for another: send Basic credentials',
      );
    }
    return this.issue(caller, request.parameters['scope'] ?? []);
  }

  /**
   * `POST` with a form: `grant_type=password` or `refresh_token`.
   *
   * @throws AccessError for wrong credentials, TokenRequestError for a wrong request
   */
  async post(request: TokenRequest): Promise<TokenResponse> {
    const grantType = single(request, 'grant_type');
    if (grantType === undefined) throw new TokenRequestError('invalid_request', 'grant_type is missing');
    this.#checkService(request);
    const scopes = request.parameters['scope'] ?? [];
    switch (grantType) {
      case 'password':
        return this.#byPassword(request, scopes);
      case 'refresh_token':
        return this.#byRefreshToken(request, scopes);
      default:
        throw new TokenRequestError(
          'unsupported_grant_type',
          `grant_type "${grantType.slice(0, 80)}" is not supported: password and refresh_token are`,
        );
    }
  }

  /**
   * Issues a token for a caller who is already authenticated.
   *
   * @param scopes `scope` parameters, each with one or more scopes
   */
  async issue(caller: Caller, scopes: readonly string[]): Promise<TokenResponse> {
    const access: RepositoryAccess[] = [];
    let until = caller.endsAt ?? null;
    for (const scope of requested(scopes)) {
      const rights = await this.#parts.access.repositoryRights(caller, scope.repository, scope.actions);
      if (rights.actions.length === 0) continue;
      const { actions, byVisibility } = rights;
      access.push({ repository: scope.repository, actions, ...(byVisibility ? { byVisibility } : {}) });
      if (rights.until !== null && (until === null || rights.until < until)) until = rights.until;
    }
    const issued = await this.#parts.tokens.issue(caller, access, until);
    return {
      token: issued.token,
      access_token: issued.token,
      token_type: 'Bearer',
      expires_in: issued.expiresInSeconds,
      issued_at: issued.issuedAt.toISOString(),
      scope: access
        .map(({ repository, actions }) => `repository:${repository}:${actions.join(',')}`)
        .join(' '),
    };
  }

  async #byPassword(request: TokenRequest, scopes: readonly string[]): Promise<TokenResponse> {
    const userName = single(request, 'username');
    const password = single(request, 'password');
    if (userName === undefined || password === undefined) {
      throw new TokenRequestError('invalid_request', 'grant_type password needs username and password');
    }
    const caller = await this.#parts.authentication.login(userName, password, request.clientAddress);
    const response = await this.issue(caller, scopes);
    if (single(request, 'access_type') !== 'offline') return response;
    const refreshToken = await this.#issueRefreshToken(request, caller);
    return refreshToken === null ? response : { ...response, refresh_token: refreshToken };
  }

  async #byRefreshToken(request: TokenRequest, scopes: readonly string[]): Promise<TokenResponse> {
    const token = single(request, 'refresh_token');
    if (token === undefined)
      throw new TokenRequestError('invalid_request', 'grant_type refresh_token needs refresh_token');
    const caller = await this.#parts.authentication.byRefreshToken(token, request.clientAddress);
    // The same token goes on: clients that get none back (containerd) keep the one they have.
    return { ...(await this.issue(caller, scopes)), refresh_token: token };
  }

  /** Null for CI jobs, whose rights end with their id_token, and for whoever holds a limited secret. */
  async #issueRefreshToken(request: TokenRequest, caller: Caller): Promise<string | null> {
    const { principal } = caller;
    if (principal.kind !== 'user' || caller.tokenId !== null) return null;
    const { token, hash } = this.#parts.hasher.generate('refresh');
    const ninetyDays = new Date(this.#now().getTime() + REFRESH_DAYS * 86_400_000);
    const clientId = single(request, 'client_id')?.slice(0, 80) ?? 'unknown client';
    const secret = await this.#parts.secrets.create(
      {
        principalId: principal.id,
        kind: 'refresh',
        name: clientId,
        hash,
        scopes: ['repository:*:*'],
        expiresAt: caller.endsAt instanceof Date && caller.endsAt < ninetyDays ? caller.endsAt : ninetyDays,
      },
      REFRESH_LIMIT,
      'revoke-oldest',
    );
    await this.#parts.audit.record({
      actor: principal.name,
      tokenId: null,
      clientAddress: request.clientAddress,
      requestId: request.requestId,
      action: 'token.refresh.create',
      resource: principal.name,
      decision: 'allowed',
      detail: { secretId: secret.id, client: clientId, expiresAt: secret.expiresAt },
    });
    return token;
  }

  #checkService(request: TokenRequest): void {
    const service = single(request, 'service');
    if (service === undefined || service === this.#parts.service) return;
    throw new TokenRequestError(
      'invalid_request',
      `service: expected ${this.#parts.service}, given ${service.slice(0, 160)}`,
    );
  }
}

/** Repository scopes only: what else is asked for (`registry:catalog:*`) is decided by the registry per principal. */
function requested(scopes: readonly string[]) {
  return parseRequestedScopes(scopes)
    .filter((scope) => scope.type === 'repository' && isRepositoryName(scope.name))
    .map((scope) => ({ repository: scope.name, actions: requestedActions(scope) }));
}

function single(request: TokenRequest, name: string): string | undefined {
  const values = request.parameters[name] ?? [];
  if (values.length > 1)
    throw new TokenRequestError(
      'invalid_request',
      `${name} is given ${values.length} times: once is allowed`,
    );
  return values[0] === '' ? undefined : values[0];
}
