import type { GitLabDouble } from '@sluice/testing';
import type { Client } from './table.ts';
import type { Deployment } from './world.ts';

export interface Account {
  readonly user: string;
  readonly password: string;
}

const USER = { user: 'ada', password: 'a long password of ada' };

/**
 * The project `clients` and who works in it: a user, a robot, and a CI job that has nothing but its `id_token`. All are
 * maintainers, because some clients delete.
 */
export async function createAccounts(
  deployment: Deployment,
  gitlab: GitLabDouble,
): Promise<Record<Client, Account>> {
  const node = 'clients';
  const role = 'maintainer';
  await deployment.api('POST', '/projects', { path: node, visibility: 'private' }, { expect: 201 });
  await deployment.api('POST', '/users', { name: USER.user, password: USER.password }, { expect: 201 });
  await deployment.api('POST', '/grants', { node, principal: USER.user, role });
  const created = await deployment.api<{ secret: string }>('POST', '/robots', {
    node,
    name: 'builder',
    role,
  });
  const robot = { user: `robot$${node}+builder`, password: created.body.secret };
  const source = gitlab.project('acme/clients');
  await deployment.api('POST', '/ci-bindings', {
    node,
    gitlabProjectId: String(source.id),
    gitlabProjectPath: source.path,
    role,
  });
  const job = gitlab.branchJob(source, gitlab.user('dev'));
  const password = await gitlab.idToken(job, { audience: deployment.url });
  const workload = { user: 'gitlab-ci', password };
  return {
    docker: USER,
    podman: robot,
    buildah: workload,
    skopeo: robot,
    crane: workload,
    regctl: USER,
    oras: USER,
    ctr: robot,
    helm: robot,
    'cosign-2': USER,
    cosign: robot,
    notation: USER,
  };
}
