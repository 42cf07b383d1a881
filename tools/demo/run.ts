/**
 * `npm run demo`: the main job of Sluice, end to end, on real input: a CI job pushes an image with a known
 * vulnerability, the gate refuses it, the fixed one is pushed, signed and pulled. Starts what it needs, cleans up.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImage, buildLayer, GitLabDouble, type Image } from '@sluice/testing';
import { ADMIN_PASSWORD, Platform } from '../system/platform.ts';
import { ROOT } from '../system/paths.ts';
import { attempt } from '../system/run.ts';
import { Narrator } from './narrator.ts';
import { npmPackage } from './packages.ts';
import { DemoClient } from './registry.ts';

const PROJECT = 'demo/shop';
const REPOSITORY = `${PROJECT}/web`;
const SIGNED_POLICY = `apiVersion: sluice.dev/v1
kind: Policy
metadata: {name: signed}
spec:
  mode: enforce
  rules:
    - {name: release-key, kind: signature, keys: [release], onMissing: pending}
`;

const startedAt = Date.now();
const narrator = new Narrator();
const work = mkdtempSync(join(tmpdir(), 'sluice-demo-'));

/** A web application with one real dependency at that version. */
async function application(minimistVersion: string): Promise<Image> {
  const base = await buildLayer([
    { path: 'app/package.json', content: '{"name":"shop","version":"1.0.0","private":true}' },
    { path: 'app/index.js', content: "console.log(require('minimist')(process.argv.slice(2)));\n" },
  ]);
  const dependencies = await buildLayer(await npmPackage('minimist', minimistVersion));
  return buildImage([base, dependencies], { command: ['node', '/app/index.js'] });
}

async function main(): Promise<void> {
  console.log('Sluice demo: from a vulnerable push to a signed, green pull. It takes about a minute.');
  const gitlab = await GitLabDouble.start();
  const platform = await Platform.start({
    SLUICE_GITLAB_URL: gitlab.issuer,
    SLUICE_LOG_LEVEL: 'warn',
  });
  try {
    await story(platform, gitlab, platform.host);
  } finally {
    await platform.remove();
    await gitlab[Symbol.asyncDispose]();
    rmSync(work, { recursive: true, force: true });
  }
  console.log(
    `\ndemo: red, refused, fixed, signed, green, pulled in ${Math.round((Date.now() - startedAt) / 1_000)} s`,
  );
}

async function story(platform: Platform, gitlab: GitLabDouble, host: string): Promise<void> {
  const shop = gitlab.project('acme/shop');
  const job = gitlab.branchJob(shop, gitlab.user('dana'));
  const sluice = sluiceCommand(platform);

  narrator.heading('The platform team sets up a project. CI may push to it; nobody stores a secret.');
  await sluice(['project', 'create', PROJECT]);
  await sluice([
    'ci-binding',
    'create',
    PROJECT,
    '--gitlab-project',
    String(shop.id),
    '--gitlab-path',
    shop.path,
  ]);
  await sluice(['db', 'import', 'docs/examples/osv/npm/all.zip']);

  narrator.heading('A CI job on main builds an image with minimist 1.2.5 and pushes it with its id_token.');
  const idToken = await gitlab.idToken(job, { audience: platform.url });
  const ci = new DemoClient(platform.url, 'gitlab-ci', idToken);
  narrator.command(
    `docker login ${host} -u gitlab-ci -p $SLUICE_ID_TOKEN && docker push ${host}/${REPOSITORY}:1.0.0`,
  );
  await ci.push(REPOSITORY, await application('1.2.5'), '1.0.0');
  narrator.answer('pushed');
  await sluice(['verdict', '--wait', `${host}/${REPOSITORY}:1.0.0`], 3);
  await sluice(['explain', `${host}/${REPOSITORY}:1.0.0`]);

  narrator.heading('Whoever pulls it is refused, with the rule and the reason.');
  const reader = new DemoClient(platform.url, 'admin', ADMIN_PASSWORD);
  await pull(reader, host, '1.0.0', 'refused');

  narrator.heading('From now on the project also demands a signature of the release key.');
  writeFileSync(join(work, 'signed.yaml'), SIGNED_POLICY);
  await sluice(['key', 'generate', '--prefix', 'release']);
  await sluice(['trust', 'add', '--node', PROJECT, '--name', 'release', 'release.pub']);
  await sluice(['policy', 'apply', '--node', PROJECT, '-f', 'signed.yaml']);

  narrator.heading('The job pushes the fixed image, minimist 1.2.8; the release manager signs it.');
  narrator.command(`docker push ${host}/${REPOSITORY}:1.0.1`);
  await ci.push(REPOSITORY, await application('1.2.8'), '1.0.1');
  narrator.answer('pushed');
  await sluice(['sign', '--key', 'release.key', `${host}/${REPOSITORY}:1.0.1`]);
  await sluice(['verdict', '--wait', `${host}/${REPOSITORY}:1.0.1`], 0);

  narrator.heading('Green: it is pulled.');
  await pull(reader, host, '1.0.1', 'pulled');
}

async function pull(
  client: DemoClient,
  host: string,
  tag: string,
  expected: 'pulled' | 'refused',
): Promise<void> {
  narrator.command(`docker pull ${host}/${REPOSITORY}:${tag}`);
  const result = await client.pull(REPOSITORY, tag);
  if (result.kind === 'pulled') narrator.answer(`pulled ${result.bytes} bytes`);
  else narrator.answer(`${result.status} ${result.message}`);
  if (result.kind !== expected) throw new Error(`the pull was to be ${expected}`);
}

/** Runs the real command line tool, showing what is typed and answered; the exit code must be the expected one. */
function sluiceCommand(
  platform: Platform,
): (args: readonly string[], expectedCode?: number) => Promise<void> {
  return async (args, expectedCode = 0) => {
    narrator.command(`sluice ${args.join(' ')}`);
    const { code, stdout, stderr } = await attempt(
      process.execPath,
      [join(ROOT, 'apps', 'cli', 'dist', 'main.js'), ...args.map(located)],
      {
        cwd: work,
        env: {
          ...process.env,
          XDG_CONFIG_HOME: join(work, 'config'),
          SLUICE_URL: platform.url,
          SLUICE_USER: 'admin',
          SLUICE_PASSWORD: ADMIN_PASSWORD,
          COSIGN_PASSWORD: 'demo',
        },
      },
    );
    narrator.answer((stdout === '' ? stderr : stdout).replaceAll(`${ROOT}/`, ''), 24);
    if (code !== expectedCode)
      throw new Error(`sluice ${args[0]} ended with ${code}, not ${expectedCode}:\n${stderr}`);
  };
}

/** What is typed as a path of the clone lies there; the commands run in a directory of their own. */
function located(argument: string): string {
  return argument.startsWith('docs/') ? join(ROOT, argument) : argument;
}

await main();
