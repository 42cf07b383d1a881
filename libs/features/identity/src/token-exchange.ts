import type { AuditLog } from '@sluice/database';
import { parseRequestedScopes } from '@sluice/domain/access';
import { type TokenEndpoint, TokenRequestError, type TokenResponse } from './token-endpoint.ts';
import type { WorkloadIdentity } from './workload-identity.ts';

export const TOKEN_EXCHANGE_GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';
const ID_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:id_token';
const JWT_TYPE = 'urn:ietf:params:oauth:token-type:jwt';
const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token';

export interface ExchangeRequest {
  readonly grant_type: string;
  readonly subject_token: string;
  readonly subject_token_type: string;
  /** Scopes in the grammar of the token specification, separated by spaces. */
  readonly scope: string;
  readonly requested_token_type?: string | undefined;
  readonly audience?: string | undefined;
}

export interface ExchangeResponse {
  readonly access_token: string;
  readonly issued_token_type: typeof ACCESS_TOKEN_TYPE;
  readonly token_type: 'Bearer';
  readonly expires_in: number;
  readonly scope: string;
}

/** Trades a GitLab job's `id_token` for a registry token (RFC 8693). */
export class TokenExchange {
  readonly #workloads: WorkloadIdentity;
  readonly #tokens: TokenEndpoint;
  readonly #audit: AuditLog;

  constructor(workloads: WorkloadIdentity, tokens: TokenEndpoint, audit: AuditLog) {
    this.#workloads = workloads;
    this.#tokens = tokens;
    this.#audit = audit;
  }

  /**
   * One `id_token` is exchanged once, for the repositories that are asked for and no others.
   *
   * @throws TokenRequestError for a wrong request, AccessError for a token that is refused
   */
  async exchange(
    request: ExchangeRequest,
    client: { address: string; requestId: string | null },
  ): Promise<ExchangeResponse> {
    checkRequest(request, this.#tokens.service);
    const caller = await this.#workloads.exchange(request.subject_token);
    const response: TokenResponse = await this.#tokens.issue(caller, [request.scope]);
    const name = caller.principal.kind === 'anonymous' ? 'anonymous' : caller.principal.name;
    await this.#audit.record({
      actor: name,
      tokenId: caller.tokenId,
      clientAddress: client.address,
      requestId: client.requestId,
      action: 'token.exchange',
      resource: name,
      decision: 'allowed',
      detail: { asked: request.scope.slice(0, 2_000), granted: response.scope, limits: caller.limits ?? [] },
    });
    return {
      access_token: response.access_token,
      issued_token_type: ACCESS_TOKEN_TYPE,
      token_type: 'Bearer',
      expires_in: response.expires_in,
      scope: response.scope,
    };
  }
}

function checkRequest(request: ExchangeRequest, service: string): void {
  if (request.grant_type !== TOKEN_EXCHANGE_GRANT) {
    throw new TokenRequestError('unsupported_grant_type', `grant_type: expected ${TOKEN_EXCHANGE_GRANT}`);
  }
  if (request.subject_token_type !== ID_TOKEN_TYPE && request.subject_token_type !== JWT_TYPE) {
    throw new TokenRequestError(
      'invalid_request',
      `subject_token_type: expected ${ID_TOKEN_TYPE} or ${JWT_TYPE}`,
    );
  }
  const wanted = request.requested_token_type;
  if (wanted !== undefined && wanted !== ACCESS_TOKEN_TYPE) {
    throw new TokenRequestError('invalid_request', `requested_token_type: expected ${ACCESS_TOKEN_TYPE}`);
  }
  if (request.audience !== undefined && request.audience !== service) {
    throw new TokenRequestError('invalid_target', `audience: expected ${service}`);
  }
  if (!parseRequestedScopes([request.scope]).some((scope) => scope.type === 'repository')) {
    throw new TokenRequestError(
      'invalid_scope',
      'scope: expected the repositories that the token is for, such as repository:team/app:pull,push',
    );
  }
}
