import { AccessError, type Caller, type Principal } from '@sluice/domain/access';

/**
 * The user behind a caller who acts with all of their rights. A limited token must not make an unlimited one.
 *
 * @throws AccessError denied
 */
export function requireUser(caller: Caller): Principal & { kind: 'user' } {
  const { principal } = caller;
  if (principal.kind !== 'user')
    throw new AccessError('denied', 'only users have passwords and personal access tokens');
  const scopes = caller.scopes ?? null;
  const isLimited = scopes !== null && !scopes.some((scope) => scope.kind === 'all');
  if (isLimited || caller.access !== null) {
    throw new AccessError('denied', 'this token is limited: use the password or a token with the scope *');
  }
  return principal;
}
