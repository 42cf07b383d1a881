import { AccessError } from './errors.ts';
import type { Grant } from './grant.ts';
import type { Provenance } from './principal.ts';
import { lesserRole, type Role } from './role.ts';

/** What GitLab says of a CI job in its `id_token`, with GitLab's own claim types already checked. */
export interface JobClaims extends Provenance {
  readonly jti: string;
  readonly expiresAt: Date;
  readonly environment: string | null;
  /** The project that runs the job; null before GitLab 18.4. Differs from `projectId` in pipelines of forks. */
  readonly jobProjectId: string | null;
}

/** What must hold of a job before a binding gives it anything. An absent condition demands nothing. */
export interface BindingConditions {
  readonly refProtected?: boolean;
  readonly refType?: 'branch' | 'tag';
  /** Names or patterns with `*` (any run of characters), one of which the ref must match. */
  readonly refs?: readonly string[];
  readonly environments?: readonly string[];
  readonly pipelineSources?: readonly string[];
}

/** A GitLab project bound to a node: its jobs have `role` there while `conditions` hold. */
export interface CiBinding {
  readonly id: string;
  readonly principalId: string;
  readonly issuer: string;
  readonly gitlabProjectId: string;
  readonly nodeId: string;
  readonly role: Role;
  readonly conditions: BindingConditions;
}

export interface JobRights {
  readonly grants: readonly Grant[];
  /** What was withheld and why: claim, expected and given in each sentence. */
  readonly limits: readonly string[];
}

/** The most that a job of a fork, or one that may be one, gets: it may read and never push. */
const FORK_ROLE: Role = 'reporter';

/**
 * What the bindings of its GitLab project give to a job.
 *
 * Fork rule: `project_id` names the fork in merge-request pipelines that run in the parent project, and the other way
 * round a fork's code may run with the parent's claims; only where both ids are equal does the job act for its own
 * project, so only then may it push. Without `job_project_id` (GitLab before 18.4) merge-request pipelines are
 * taken for such.
 */
export function decideJobRights(bindings: readonly CiBinding[], claims: JobClaims): JobRights {
  const limits: string[] = [];
  const fork = forkReason(claims);
  if (fork !== null) limits.push(fork);
  const grants = bindings.flatMap((binding): Grant[] => {
    const unmet = unmetConditions(binding.conditions, claims);
    limits.push(...unmet);
    if (unmet.length > 0) return [];
    return [
      {
        principalId: binding.principalId,
        nodeId: binding.nodeId,
        role: fork === null ? binding.role : lesserRole(binding.role, FORK_ROLE),
        source: `ci:${claims.projectId}`,
        expiresAt: null,
      },
    ];
  });
  return { grants, limits };
}

function forkReason(claims: JobClaims): string | null {
  if (claims.jobProjectId !== null) {
    return claims.jobProjectId === claims.projectId
      ? null
      : `claim job_project_id: expected ${claims.projectId} (project_id), given ${claims.jobProjectId}: ` +
          'a pipeline that runs for another project may not push';
  }
  return claims.pipelineSource === 'merge_request_event'
    ? 'claim job_project_id: expected in merge-request pipelines (GitLab 18.4 or later), given none: ' +
        'the pipeline of a fork may not push'
    : null;
}

function unmetConditions(conditions: BindingConditions, claims: JobClaims): string[] {
  const unmet: string[] = [];
  const demand = (claim: string, holds: boolean, expected: string, given: string | null): void => {
    if (!holds) unmet.push(`claim ${claim}: expected ${expected}, given ${given ?? 'none'}`);
  };
  const { refProtected, refType, refs, environments, pipelineSources } = conditions;
  if (refProtected !== undefined) {
    demand(
      'ref_protected',
      claims.refProtected === refProtected,
      String(refProtected),
      String(claims.refProtected),
    );
  }
  if (refType !== undefined) demand('ref_type', claims.refType === refType, refType, claims.refType);
  if (refs !== undefined)
    demand(
      'ref',
      refs.some((ref) => matchesPattern(ref, claims.ref)),
      list(refs),
      claims.ref,
    );
  if (environments !== undefined) {
    const { environment } = claims;
    const holds = environment !== null && environments.some((each) => matchesPattern(each, environment));
    demand('environment', holds, list(environments), environment);
  }
  if (pipelineSources !== undefined) {
    const holds = pipelineSources.includes(claims.pipelineSource);
    demand('pipeline_source', holds, list(pipelineSources), claims.pipelineSource);
  }
  return unmet;
}

/** `*` stands for any run of characters, "/" included. Linear in the length of the text for any pattern. */
function matchesPattern(pattern: string, text: string): boolean {
  const [head = '', ...parts] = pattern.split('*');
  const tail = parts.pop();
  if (tail === undefined) return text === pattern;
  if (!text.startsWith(head) || text.length < head.length + tail.length || !text.endsWith(tail)) return false;
  let position = head.length;
  const end = text.length - tail.length;
  for (const part of parts) {
    const found = text.indexOf(part, position);
    if (found === -1 || found + part.length > end) return false;
    position = found + part.length;
  }
  return true;
}

function list(values: readonly string[]): string {
  return values.length === 1 ? (values[0] ?? '') : `one of ${values.join(', ')}`;
}

/** What an `id_token` must say to be accepted. */
export interface ExpectedToken {
  readonly issuer: string;
  readonly audience: string;
}

/** Clocks of two servers may differ by this much. */
export const CLOCK_LEEWAY_SECONDS = 30;

/**
 * Checks the claims of a GitLab `id_token` whose signature was already verified, with the types GitLab gives them:
 * ids are decimal strings, `ref_protected` is "true" or "false", `runner_id` is a number.
 *
 * The audience must be ours alone: a token that is good elsewhere as well could be replayed here by that other service.
 *
 * @throws AccessError credentials-invalid naming the claim, what was expected and what was given
 */
export function parseJobClaims(
  payload: Readonly<Record<string, unknown>>,
  expected: ExpectedToken,
  now: Date,
): JobClaims {
  if (payload['iss'] !== expected.issuer) throw badClaim('iss', expected.issuer, payload['iss']);
  const audience = payload['aud'];
  const only: unknown = Array.isArray(audience) && audience.length === 1 ? audience[0] : audience;
  if (only !== expected.audience) throw badClaim('aud', `exactly ${expected.audience}`, audience);
  checkTimes(payload, now);
  const refType = text(payload, 'ref_type');
  if (refType !== 'branch' && refType !== 'tag') throw badClaim('ref_type', 'branch or tag', refType);
  const refProtected = payload['ref_protected'];
  if (refProtected !== 'true' && refProtected !== 'false') {
    throw badClaim('ref_protected', 'the string "true" or "false"', refProtected);
  }
  const runner = payload['runner_id'];
  if (runner !== undefined && runner !== null && typeof runner !== 'number') {
    throw badClaim('runner_id', 'a number', runner);
  }
  return {
    issuer: expected.issuer,
    jti: text(payload, 'jti'),
    expiresAt: new Date(seconds(payload, 'exp') * 1000),
    projectId: id(payload, 'project_id'),
    projectPath: text(payload, 'project_path'),
    jobProjectId: payload['job_project_id'] === undefined ? null : id(payload, 'job_project_id'),
    ref: text(payload, 'ref'),
    refType,
    refProtected: refProtected === 'true',
    pipelineId: id(payload, 'pipeline_id'),
    pipelineSource: text(payload, 'pipeline_source'),
    jobId: id(payload, 'job_id'),
    sha: text(payload, 'sha'),
    userId: id(payload, 'user_id'),
    userLogin: text(payload, 'user_login'),
    environment: optionalText(payload, 'environment'),
  };
}

/** The part of the claims that is kept with what the job pushes. */
export function provenanceOf(claims: JobClaims): Provenance {
  const { issuer, projectId, projectPath, ref, refType, refProtected } = claims;
  const { pipelineId, pipelineSource, jobId, sha, userId, userLogin } = claims;
  return {
    issuer,
    projectId,
    projectPath,
    ref,
    refType,
    refProtected,
    pipelineId,
    pipelineSource,
    jobId,
    sha,
    userId,
    userLogin,
  };
}

function checkTimes(payload: Readonly<Record<string, unknown>>, now: Date): void {
  const clock = Math.floor(now.getTime() / 1000);
  const expires = seconds(payload, 'exp');
  if (expires + CLOCK_LEEWAY_SECONDS <= clock) throw badClaim('exp', `later than ${clock}`, expires);
  const issued = seconds(payload, 'iat');
  if (issued > clock + CLOCK_LEEWAY_SECONDS) throw badClaim('iat', `not later than ${clock}`, issued);
  if (payload['nbf'] !== undefined && seconds(payload, 'nbf') > clock + CLOCK_LEEWAY_SECONDS) {
    throw badClaim('nbf', `not later than ${clock}`, payload['nbf']);
  }
}

function seconds(payload: Readonly<Record<string, unknown>>, claim: string): number {
  const value = payload[claim];
  // Beyond this a Date would be invalid, and no honest clock says so.
  if (typeof value !== 'number' || !Number.isFinite(value) || value < 0 || value > 1e11) {
    throw badClaim(claim, 'a time in seconds', value);
  }
  return value;
}

function text(payload: Readonly<Record<string, unknown>>, claim: string): string {
  const value = payload[claim];
  if (typeof value !== 'string' || !/^[^\p{Cc}]{1,1024}$/u.test(value)) {
    throw badClaim(claim, 'a string of 1 to 1024 printable characters', value);
  }
  return value;
}

function optionalText(payload: Readonly<Record<string, unknown>>, claim: string): string | null {
  const value = payload[claim];
  return value === undefined || value === null || value === '' ? null : text(payload, claim);
}

function id(payload: Readonly<Record<string, unknown>>, claim: string): string {
  const value = payload[claim];
  if (typeof value !== 'string' || !/^[1-9][0-9]{0,17}$/.test(value)) {
    throw badClaim(claim, 'a decimal string such as "42"', value);
  }
  return value;
}

function badClaim(claim: string, expected: string, given: unknown): AccessError {
  const shown = given === undefined ? 'none' : (JSON.stringify(given)?.slice(0, 200) ?? typeof given);
  return new AccessError(
    'credentials-invalid',
    `id_token refused: claim ${claim}: expected ${expected}, given ${shown}`,
  );
}
