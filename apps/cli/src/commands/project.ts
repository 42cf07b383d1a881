import type { ApiClient } from '../api/client.ts';
import { CliError } from '../cli-error.ts';
import { EXIT } from '../exit-codes.ts';
import { findNode } from '../api/node.ts';
import type { Project, Repository } from '../api/types.ts';
import type { CommandContext } from '../context.ts';
import { renderFields, renderTable } from '../io/table.ts';

export async function createProject(
  context: CommandContext,
  path: string,
  options: { readonly visibility: string },
): Promise<void> {
  const project = await context.api().post<Project>('/projects', { path, visibility: options.visibility });
  await context.output.item(project, fieldsOf(project));
}

export async function listProjects(
  context: CommandContext,
  options: { readonly under?: string },
): Promise<void> {
  const projects = await context.api().collect<Project>('/projects', { under: options.under });
  await context.output.list(
    projects,
    [
      { title: 'path', value: (project) => project.path },
      { title: 'visibility', value: (project) => project.visibility },
      { title: 'created', value: (project) => project.createdAt },
      { title: 'id', value: (project) => project.id },
    ],
    'no projects that you may see',
  );
}

export async function showProject(context: CommandContext, path: string): Promise<void> {
  const api = context.api();
  const project = await projectAt(api, path);
  const repositories = await api.collect<Repository>('/repositories', { project: project.id });
  await context.output.report({ ...project, repositories }, () => {
    if (repositories.length === 0) return renderFields(fieldsOf(project));
    const table = renderTable(repositories, [
      { title: 'repository', value: (repository) => repository.name },
      { title: 'artifacts', value: (repository) => repository.artifacts },
      { title: 'tags', value: (repository) => repository.tags },
      { title: 'last push', value: (repository) => repository.lastPushedAt },
    ]);
    return `${renderFields(fieldsOf(project))}\n${table}`;
  });
}

export async function updateProject(
  context: CommandContext,
  path: string,
  options: { readonly visibility?: string; readonly missingBlobs?: string; readonly blobDownloads?: string },
): Promise<void> {
  if (Object.keys(options).length === 0) {
    throw new CliError(
      EXIT.usage,
      'nothing to change: give --visibility, --missing-blobs or --blob-downloads',
    );
  }
  const api = context.api();
  const { id } = await projectAt(api, path);
  const project = await api.patch<Project>(`/projects/${id}`, options);
  await context.output.item(project, fieldsOf(project));
}

export async function deleteProject(context: CommandContext, path: string): Promise<void> {
  const api = context.api();
  const project = await projectAt(api, path);
  await api.delete(`/projects/${project.id}`);
  context.output.note(`deleted project ${project.path}`);
}

async function projectAt(api: ApiClient, path: string): Promise<Project> {
  return (await findNode(api, path, ['projects'])) as Project;
}

function fieldsOf(project: Project): (readonly [string, string])[] {
  return [
    ['path', project.path],
    ['visibility', project.visibility],
    ...(project.missingBlobs === undefined ? [] : [['missing blobs', project.missingBlobs] as const]),
    ...(project.blobDownloads === undefined ? [] : [['blob downloads', project.blobDownloads] as const]),
    ['created', project.createdAt],
    ['id', project.id],
  ];
}
