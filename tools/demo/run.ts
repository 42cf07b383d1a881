/**
 * `npm run demo`: the main job of Sluice, end to end, on real input. Starts what it needs and cleans up, or tells the
 * story to a Sluice that runs already:
 *
 *     SLUICE_PASSWORD=… npm run demo -- --url https://sluice.example.com
 */
import { parseArgs } from 'node:util';
import { GitLabDouble } from '@sluice/testing';
import { ADMIN_PASSWORD, Platform } from '../system/platform.ts';
import { tellStory } from './story.ts';

const startedAt = Date.now();

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { url: { type: 'string' } } });
  const url = values.url ?? process.env['SLUICE_URL'];
  console.log('Sluice demo: from a vulnerable push to a signed, green pull. It takes about a minute.');
  if (url === undefined) await onPlatformOfItsOwn();
  else await onRunning(url.replace(/\/+$/, ''));
  console.log(
    `\ndemo: red, refused, fixed, signed, green, pulled in ${Math.round((Date.now() - startedAt) / 1_000)} s`,
  );
}

async function onPlatformOfItsOwn(): Promise<void> {
  const gitlab = await GitLabDouble.start();
  const platform = await Platform.start({ SLUICE_GITLAB_URL: gitlab.issuer, SLUICE_LOG_LEVEL: 'warn' });
  try {
    await tellStory({
      url: platform.url,
      user: 'admin',
      password: ADMIN_PASSWORD,
      gitlab,
      isShared: false,
    });
  } finally {
    await platform.remove();
    await gitlab[Symbol.asyncDispose]();
  }
}

async function onRunning(url: string): Promise<void> {
  const password = process.env['SLUICE_PASSWORD'];
  if (password === undefined) {
    throw new Error(
      `set SLUICE_PASSWORD to the password of an administrator of ${url} (SLUICE_USER, default admin)`,
    );
  }
  const user = process.env['SLUICE_USER'] ?? 'admin';
  await tellStory({ url, user, password, gitlab: null, isShared: true });
}

try {
  await main();
} catch (error) {
  console.error(`demo: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
