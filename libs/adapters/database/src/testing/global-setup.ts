import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { EmbeddedPostgres } from '../embedded/index.ts';
import { migrate, openDatabase } from '../postgres/index.ts';
import { TEMPLATE_DATABASE } from './test-database.ts';

declare module 'vitest' {
  interface ProvidedContext {
    databaseServerUrl: string;
  }
}

/** One throw-away server for the whole integration run, with a migrated template that every spec file clones. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-test-pg-'));
  const server = await EmbeddedPostgres.start({
    directory,
    settings: ['fsync=off', 'synchronous_commit=off', 'full_page_writes=off'],
  });
  await server.ensureDatabase(TEMPLATE_DATABASE);
  const source = await openDatabase({ url: server.url(TEMPLATE_DATABASE) });
  await migrate(source);
  await source.destroy();
  project.provide('databaseServerUrl', server.url('postgres'));
  return async () => {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  };
}
