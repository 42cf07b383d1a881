export { SluiceError } from '../errors.ts';
export {
  type Action,
  ADMIN_ACTIONS,
  type AdminAction,
  isAction,
  isAdminAction,
  isReadAction,
  NODE_ACTIONS,
  nodeAction,
  type NodeAction,
} from './action.ts';
export { type AccessDecision, type AccessQuestion, decide, type Subject } from './decide.ts';
export { AccessError, type AccessErrorCode } from './errors.ts';
export { describeSource, type Grant, readableNodes } from './grant.ts';
export {
  assertGrantable,
  assertMachineRole,
  assertMayHandle,
  type Grantee,
  MACHINE_ROLE_MAX,
} from './granting.ts';
export {
  checkNewPassword,
  CI_USER_NAME,
  FIRST_ADMIN_NAME,
  PASSWORD_MAX,
  PASSWORD_MIN,
  parseRobotShortName,
  parseUserName,
  ROBOT_PREFIX,
  robotName,
} from './names.ts';
export {
  isVisibility,
  isVisibleTo,
  isWithin,
  NODE_DEPTH_MAX,
  type NodeContext,
  type NodeKind,
  type NodePath,
  type NodeRef,
  parseNodePath,
  pathLineage,
  VISIBILITIES,
  type Visibility,
} from './node.ts';
export {
  type Caller,
  type Principal,
  type Provenance,
  type RepositoryAccess,
  type RepositoryAction,
} from './principal.ts';
export { compareRoles, greatestRole, isRole, lesserRole, type Role, roleAtLeast, ROLES } from './role.ts';
export {
  type AccessScope,
  type ActionSite,
  formatAccessScope,
  parseAccessScope,
  parseRequestedScope,
  parseRequestedScopes,
  requestedActions,
  type RequestedScope,
  scopesCover,
  TOKEN_SCOPES_MAX,
} from './scope.ts';
export {
  formatSecretToken,
  looksLikeSecretToken,
  parseSecretToken,
  SECRET_PREFIXES,
  SECRET_RANDOM_BYTES,
  type SecretKind,
} from './secret-token.ts';
export {
  type BindingConditions,
  type CiBinding,
  CLOCK_LEEWAY_SECONDS,
  decideJobRights,
  type ExpectedToken,
  type JobClaims,
  type JobRights,
  parseJobClaims,
  provenanceOf,
} from './workload.ts';
