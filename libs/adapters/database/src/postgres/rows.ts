import type {
  CiBinding,
  Grant,
  NodeKind,
  NodeRef,
  Role,
  SecretKind,
  Visibility,
} from '@sluice/domain/access';
import type { NodeRecord } from '../ports/node-store.ts';
import type { PrincipalRecord } from '../ports/principal-store.ts';
import type { SecretRecord } from '../ports/secret-store.ts';

/** Columns and their records for the tables that more than one access store reads. */

export interface NodeRow {
  id: string;
  kind: NodeKind;
  parent_id: string | null;
  path: string;
  lineage: string[];
  visibility: Visibility;
  created_at: Date;
}

export const NODE_COLUMNS = 'id, kind, parent_id, path, lineage, visibility, created_at';

export function toNode(row: NodeRow): NodeRecord {
  return {
    id: row.id,
    kind: row.kind,
    parentId: row.parent_id,
    path: row.path,
    visibility: row.visibility,
    createdAt: row.created_at,
  };
}

export interface PrincipalRow {
  id: string;
  kind: PrincipalRecord['kind'];
  name: string;
  display_name: string;
  email: string | null;
  is_admin: boolean;
  node_id: string | null;
  epoch: number;
  disabled_at: Date | null;
  expires_at: Date | null;
  created_at: Date;
}

export function principalColumns(table: string, prefix = ''): string {
  return [
    'id',
    'kind',
    'name',
    'display_name',
    'email',
    'is_admin',
    'node_id',
    'epoch',
    'disabled_at',
    'expires_at',
    'created_at',
  ]
    .map((column) => `${table}.${column} AS ${prefix}${column}`)
    .join(', ');
}

export function toPrincipal(row: PrincipalRow): PrincipalRecord {
  return {
    id: row.id,
    kind: row.kind,
    name: row.name,
    displayName: row.display_name,
    email: row.email,
    isAdmin: row.is_admin,
    nodeId: row.node_id,
    epoch: row.epoch,
    disabledAt: row.disabled_at,
    expiresAt: row.expires_at,
    createdAt: row.created_at,
  };
}

export interface SecretRow {
  id: string;
  principal_id: string;
  kind: SecretKind;
  name: string;
  scopes: string[];
  expires_at: Date | null;
  revoked_at: Date | null;
  last_used_at: Date | null;
  created_at: Date;
}

export function secretColumns(table: string, prefix = ''): string {
  return [
    'id',
    'principal_id',
    'kind',
    'name',
    'scopes',
    'expires_at',
    'revoked_at',
    'last_used_at',
    'created_at',
  ]
    .map((column) => `${table}.${column} AS ${prefix}${column}`)
    .join(', ');
}

export function toSecret(row: SecretRow): SecretRecord {
  return {
    id: row.id,
    principalId: row.principal_id,
    kind: row.kind,
    name: row.name,
    scopes: row.scopes,
    expiresAt: row.expires_at,
    revokedAt: row.revoked_at,
    lastUsedAt: row.last_used_at,
    createdAt: row.created_at,
  };
}

/** Dates inside `jsonb_agg` come as text. */
export interface GrantJson {
  principal_id: string;
  node_id: string;
  role: Role;
  source: string;
  expires_at: string | null;
}

export function grantFromJson(json: GrantJson): Grant {
  return {
    principalId: json.principal_id,
    nodeId: json.node_id,
    role: json.role,
    source: json.source,
    expiresAt: json.expires_at === null ? null : new Date(json.expires_at),
  };
}

export interface BindingRow {
  id: string;
  principal_id: string;
  issuer: string;
  /** bigint comes as text */
  gitlab_project_id: string;
  node_id: string;
  role: Role;
  conditions: CiBinding['conditions'];
}

export function toBinding(row: BindingRow): CiBinding {
  return {
    id: row.id,
    principalId: row.principal_id,
    issuer: row.issuer,
    gitlabProjectId: String(row.gitlab_project_id),
    nodeId: row.node_id,
    role: row.role,
    conditions: row.conditions,
  };
}

export type LineageJson = readonly NodeRef[];
