/** Users, projects and jobs of the GitLab double, with what GitLab puts into a job's `id_token`. */

export interface DoubleProject {
  readonly id: number;
  readonly path: string;
  readonly namespaceId: number;
  readonly visibility: 'private' | 'internal' | 'public';
}

export interface DoubleUser {
  readonly id: number;
  readonly login: string;
  readonly email: string;
}

export type PipelineSource =
  'push' | 'web' | 'schedule' | 'api' | 'merge_request_event' | 'pipeline' | 'trigger';

export interface Job {
  /** What `project_id` names: the project itself, or the fork in a merge-request pipeline that runs in its parent. */
  readonly project: DoubleProject;
  /** The project that runs the job (`job_project_id`, GitLab 18.4); null for an older GitLab. */
  readonly runsIn: DoubleProject | null;
  readonly user: DoubleUser;
  readonly pipelineSource: PipelineSource;
  readonly ref: string;
  readonly refType: 'branch' | 'tag';
  readonly refPath: string;
  readonly refProtected: boolean;
  readonly sha: string;
  readonly pipelineId: number;
  readonly jobId: number;
  readonly environment: string | null;
}

/** The claims of GitLab's `lib/gitlab/ci/jwt_v2.rb` with their types: ids are strings, `runner_id` is a number. */
export function claimsOf(job: Job): Record<string, unknown> {
  const { project, runsIn, user } = job;
  return {
    namespace_id: String(project.namespaceId),
    namespace_path: namespaceOf(project),
    project_id: String(project.id),
    project_path: project.path,
    user_id: String(user.id),
    user_login: user.login,
    user_email: user.email,
    user_access_level: 'developer',
    pipeline_id: String(job.pipelineId),
    pipeline_source: job.pipelineSource,
    job_id: String(job.jobId),
    ref: job.ref,
    ref_type: job.refType,
    ref_path: job.refPath,
    ref_protected: String(job.refProtected),
    runner_id: 7,
    runner_environment: 'self-hosted',
    sha: job.sha,
    project_visibility: project.visibility,
    ci_config_ref_uri: `gitlab.example/${project.path}//.gitlab-ci.yml@${job.refPath}`,
    ci_config_sha: job.sha,
    ...(runsIn === null
      ? {}
      : {
          job_project_id: String(runsIn.id),
          job_project_path: runsIn.path,
          job_namespace_id: String(runsIn.namespaceId),
          job_namespace_path: namespaceOf(runsIn),
        }),
    ...(job.environment === null
      ? {}
      : {
          environment: job.environment,
          environment_protected: 'false',
          deployment_tier: 'production',
          environment_action: 'start',
        }),
  };
}

/** GitLab's default subject. Projects can change it, which is why nothing may be decided by it. */
export function subjectOf(job: Job): string {
  return `project_path:${job.project.path}:ref_type:${job.refType}:ref:${job.ref}`;
}

function namespaceOf(project: DoubleProject): string {
  return project.path.slice(0, Math.max(project.path.lastIndexOf('/'), 0));
}
