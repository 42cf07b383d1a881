import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  PostgresAdvisoryStore,
  PostgresDenialLog,
  PostgresJobLedger,
  PostgresJobQueue,
  PostgresNotifications,
  PostgresVerdictStore,
  queryRows,
} from '@sluice/database/postgres';
import { seedArtifact, seedEvidence } from '@sluice/database/testing';
import { Verdicts } from '@sluice/gate';
import { LocalDispatcher } from '@sluice/jobs/local';
import { Health, Metrics, registerOperations } from '@sluice/platform';
import { AdvisoryImporter, AdvisoryUploads, IMPORT_JOB, type ImportRequest } from '@sluice/scanning';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { createTestApi, type TestApi } from '../../api/src/testing/test-api.ts';
import { EXIT } from './exit-codes.ts';
import { type CliResult, runCli } from './testing/run-cli.ts';
import { zipOf } from './testing/zip.ts';

const SECRETS = ['admin-password', 'anna-password'];

/** The command against the real API with a database, on a port of this machine. */
describe('the sluice command and a server', () => {
  let api: TestApi;
  let url: string;
  let directory: string;
  /** Everything that any command printed, for the check that no secret is among it. */
  const printed: string[] = [];

  async function sluice(
    line: string,
    given: { stdin?: string; environment?: Record<string, string>; as?: 'admin' | 'anna' | 'nobody' } = {},
  ): Promise<CliResult> {
    const home = join(directory, given.as ?? 'admin');
    const environment = { HOME: home, XDG_CONFIG_HOME: join(home, 'config'), ...given.environment };
    const result = await runCli(line.split(' '), { ...given, environment });
    printed.push(result.stdout, result.stderr);
    return result;
  }

  async function json(line: string, given: Parameters<typeof sluice>[1] = {}) {
    const result = await sluice(`${line} -o json`, given);
    expect(result.exitCode, result.stderr).toBe(EXIT.green);
    return JSON.parse(result.stdout);
  }

  function configOf(who: string): string {
    return join(directory, who, 'config', 'sluice', 'config.yaml');
  }

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'sluice-cli-'));
    api = await createTestApi({ gitlabIssuers: ['https://gitlab.test'] });
    const server = api.app.getHttpAdapter().getInstance();
    registerOperations(
      server as unknown as Parameters<typeof registerOperations>[0],
      new Health(),
      new Metrics(),
    );
    server.get('/v2/', async (_request, reply) =>
      reply.code(401).header('www-authenticate', `Bearer realm="${url}/service/token",service="x"`).send(),
    );
    await api.app.listen(0, '127.0.0.1');
    const { port } = api.app.getHttpServer().address() as { port: number };
    url = `http://127.0.0.1:${port}`;
  });
  afterAll(async () => {
    await api[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  describe('login', () => {
    it('refuses wrong credentials with 7 and stores nothing', async () => {
      const { exitCode } = await sluice(`login ${url} -u admin --password-stdin`, { stdin: 'wrong' });
      expect(exitCode).toBe(EXIT.unauthenticated);
      expect(() => statSync(configOf('admin'))).toThrow(/ENOENT/);
      expect((await sluice(`whoami --url ${url}`, { as: 'nobody' })).stdout).toContain('anonymous');
    });

    it('stores a token that it made, readable by the owner only, and not the password', async () => {
      const { exitCode, stderr } = await sluice(`login ${url} -u admin --password-stdin`, {
        stdin: 'admin-password\n',
      });
      expect(exitCode, stderr).toBe(EXIT.green);
      const text = readFileSync(configOf('admin'), 'utf8');
      expect(text).not.toContain('admin-password');
      expect(statSync(configOf('admin')).mode & 0o777).toBe(0o600);
      const [login] = parse(text).servers;
      expect(login).toMatchObject({ url, user: 'admin', tokenId: expect.stringMatching(/^tok_/) });
      expect(login.secret).toMatch(/^slc_pat_/);
      SECRETS.push(login.secret);
      expect(await json('whoami')).toMatchObject({ name: 'admin', kind: 'user', isAdmin: true });
    });

    it('takes credentials from the environment before what is stored', async () => {
      const environment = { SLUICE_URL: url, SLUICE_USER: 'admin', SLUICE_PASSWORD: 'admin-password' };
      expect(await json('whoami', { as: 'nobody', environment })).toMatchObject({ name: 'admin' });
      const { exitCode } = await sluice('whoami', { environment: { SLUICE_TOKEN: 'slc_pat_nonsense' } });
      expect(exitCode).toBe(EXIT.unauthenticated);
    });

    it('keeps a token as it is given, and logout forgets it', async () => {
      const token = parse(readFileSync(configOf('admin'), 'utf8')).servers[0].secret;
      const login = await sluice(`login ${url} --token-stdin`, { stdin: token, as: 'nobody' });
      expect(login.exitCode, login.stderr).toBe(EXIT.green);
      expect(parse(readFileSync(configOf('nobody'), 'utf8')).servers[0].secret).toBe(token);
      expect((await sluice('logout', { as: 'nobody' })).exitCode).toBe(EXIT.green);
      expect(readFileSync(configOf('nobody'), 'utf8')).not.toContain('slc_');
      expect(await json('whoami')).toMatchObject({ name: 'admin' });
    });

    it('revokes at logout the token that login made', async () => {
      await sluice(`login ${url} -u admin --password-stdin`, { stdin: 'admin-password', as: 'nobody' });
      const token = parse(readFileSync(configOf('nobody'), 'utf8')).servers[0].secret;
      SECRETS.push(token);
      await sluice('logout', { as: 'nobody' });
      const environment = { SLUICE_URL: url, SLUICE_TOKEN: token };
      expect((await sluice('whoami', { as: 'nobody', environment })).exitCode).toBe(EXIT.unauthenticated);
      expect((await sluice('logout', { as: 'nobody' })).exitCode).toBe(EXIT.notFound);
    });
  });

  describe('projects and people', () => {
    it('creates, lists, shows and deletes projects', async () => {
      expect(await json('project create team/app')).toMatchObject({
        path: 'team/app',
        visibility: 'private',
      });
      expect((await sluice('project create team/app')).exitCode).toBe(EXIT.conflict);
      expect((await sluice('project create Team')).exitCode).toBe(EXIT.usage);
      await sluice('project create team/gone --visibility public');
      expect((await sluice('project list')).stdout).toMatch(/^PATH +VISIBILITY.*\nteam\/app +private/);
      expect(parse((await sluice('project list -o yaml')).stdout)).toHaveLength(2);
      expect((await sluice('project delete team/gone')).exitCode).toBe(EXIT.green);
      expect((await sluice('project show team/gone')).exitCode).toBe(EXIT.notFound);
      expect(await json('project show team/app')).toMatchObject({ path: 'team/app', repositories: [] });
    });

    it('changes the settings of a project, one by one', async () => {
      expect(await json('project update team/app --blob-downloads redirect')).toMatchObject({
        blobDownloads: 'redirect',
        missingBlobs: 'refuse',
        visibility: 'private',
      });
      expect(await json('project update team/app --missing-blobs accept')).toMatchObject({
        blobDownloads: 'redirect',
        missingBlobs: 'accept',
      });
      expect((await sluice('project update team/app')).exitCode).toBe(EXIT.usage);
      expect((await sluice('project update team/app --blob-downloads never')).exitCode).toBe(EXIT.usage);
      expect((await sluice('project update team/none --visibility public')).exitCode).toBe(EXIT.notFound);
      await json('project update team/app --blob-downloads proxy --missing-blobs refuse');
    });

    it('creates users, and gives and takes roles', async () => {
      const created = await sluice('user create anna --password-stdin', { stdin: 'anna-password' });
      expect(created.exitCode, created.stderr).toBe(EXIT.green);
      await sluice(`login ${url} -u anna --password-stdin`, { stdin: 'anna-password', as: 'anna' });
      expect((await sluice('project show team/app', { as: 'anna' })).exitCode).toBe(EXIT.notFound);
      expect(await json('grant add team/app anna reporter --expires-in 30d')).toMatchObject({
        role: 'reporter',
        node: 'team/app',
      });
      expect((await sluice('project show team/app', { as: 'anna' })).exitCode).toBe(EXIT.green);
      expect((await sluice('grant add team/app anna owner', { as: 'anna' })).exitCode).toBe(EXIT.forbidden);
      expect((await sluice('user list', { as: 'anna' })).exitCode).toBe(EXIT.forbidden);
      expect((await sluice('grant list team/app')).stdout).toContain('anna');
      await sluice('grant add team anna reporter');
      expect((await sluice('grant remove team/app anna')).exitCode).toBe(EXIT.green);
      expect((await sluice('grant remove team/app anna')).exitCode).toBe(EXIT.notFound);
    });

    it('prints the secret of a robot once, and the robot can use it', async () => {
      const robot = await json('robot create team/app deploy --role reporter --expires-in 90d');
      expect(robot).toMatchObject({
        name: 'robot$team/app+deploy',
        secret: expect.stringMatching(/^slc_rob_/),
      });
      const environment = { SLUICE_URL: url, SLUICE_USER: robot.name, SLUICE_PASSWORD: robot.secret };
      expect(await json('whoami', { as: 'nobody', environment })).toMatchObject({ kind: 'robot' });
      const list = await sluice('robot list team/app');
      expect(list.stdout).toContain('robot$team/app+deploy');
      expect(list.stdout).not.toContain('slc_rob_');
      expect((await sluice('robot delete team/app deploy')).exitCode).toBe(EXIT.green);
      expect((await sluice('whoami', { as: 'nobody', environment })).exitCode).toBe(EXIT.unauthenticated);
    });

    it('limits, rotates, disables and lets end a robot of a group', async () => {
      const robot = await json(
        'robot create team cluster --scope repository:team/app/*:pull --scope repository:team/prod/*:pull',
      );
      expect(robot.name).toBe('robot$team+cluster');
      const login = (secret: unknown) => ({
        as: 'nobody' as const,
        environment: { SLUICE_URL: url, SLUICE_USER: robot.name, SLUICE_PASSWORD: String(secret) },
      });
      const second = await json('robot secret create team cluster --expires-in 30d');
      expect(second).toMatchObject({ scopes: ['repository:team/app/*:pull', 'repository:team/prod/*:pull'] });
      expect((await sluice('robot secret create team cluster')).exitCode).toBe(EXIT.conflict);
      expect((await sluice('robot secret list team cluster')).stdout).toContain(String(second.id));
      expect((await sluice(`robot secret revoke team cluster ${robot.secretId}`)).exitCode).toBe(EXIT.green);
      expect((await sluice('whoami', login(robot.secret))).exitCode).toBe(EXIT.unauthenticated);
      expect((await sluice('whoami', login(second.secret))).exitCode).toBe(EXIT.green);
      expect(await json('robot update team cluster --disable --expires-in 10d')).toMatchObject({
        disabledAt: expect.any(String) as string,
        expiresAt: expect.any(String) as string,
      });
      expect((await sluice('whoami', login(second.secret))).exitCode).toBe(EXIT.unauthenticated);
      expect(await json('robot update team cluster --enable --never-expires')).toMatchObject({
        disabledAt: null,
        expiresAt: null,
      });
      expect((await sluice('whoami', login(second.secret))).exitCode).toBe(EXIT.green);
      expect((await sluice('robot update team cluster')).exitCode).toBe(EXIT.usage);
      expect((await sluice('robot update team cluster --enable --disable')).exitCode).toBe(EXIT.usage);
      expect((await sluice('robot create team bad --scope repository:a/**:pull')).exitCode).toBe(EXIT.usage);
      expect((await sluice('robot delete team cluster')).exitCode).toBe(EXIT.green);
    });

    it('binds GitLab projects to nodes', async () => {
      const bind = 'ci-binding create team/app --gitlab-project 42 --gitlab-path team/app';
      expect((await sluice(`${bind} --gitlab https://other.test`)).exitCode).toBe(EXIT.usage);
      const binding = await json(`${bind} --protected`);
      expect(binding).toMatchObject({
        issuer: 'https://gitlab.test',
        gitlabProjectId: '42',
        conditions: { refProtected: true },
      });
      expect((await sluice('ci-binding list team/app')).stdout).toContain('refProtected=true');
      expect((await sluice(`ci-binding delete ${binding.id}`)).exitCode).toBe(EXIT.green);
    });
  });

  describe('signatures and policies', () => {
    it('makes a key pair that nobody else can read, and never over another', async () => {
      const prefix = join(directory, 'release');
      const environment = { COSIGN_PASSWORD: 'x' };
      expect((await sluice(`key generate --prefix ${prefix}`, { environment })).exitCode).toBe(EXIT.green);
      expect(statSync(`${prefix}.key`).mode & 0o777).toBe(0o600);
      expect((await sluice(`key generate --prefix ${prefix}`, { environment })).exitCode).toBe(EXIT.conflict);
    });

    it('trusts a public key, and does not let a private one leave the machine', async () => {
      const add = `trust add --node team/app --name release ${join(directory, 'release')}`;
      expect((await sluice(`${add}.key`)).stderr).toContain('private key');
      expect(await json(`${add}.pub`)).toMatchObject({ node: 'team/app', name: 'release' });
      expect((await sluice(`${add}.pub`)).exitCode).toBe(EXIT.conflict);
      expect((await sluice('trust list --node team/app')).stdout).toContain('release');
      expect((await sluice('trust remove release --node team/app')).exitCode).toBe(EXIT.green);
      expect((await sluice('trust remove release')).exitCode).toBe(EXIT.notFound);
    });

    it('checks, applies, shows and deletes policies', async () => {
      const file = join(directory, 'policy.yaml');
      writeFileSync(
        file,
        'apiVersion: sluice.dev/v1\nkind: Policy\nmetadata: {name: release}\nspec: {rules: [{name: s, kind: scan}]}\n',
      );
      expect((await sluice(`policy check -f ${file}`, { as: 'nobody' })).exitCode).toBe(EXIT.green);
      expect((await sluice(`policy apply -f ${file} --node team/app`)).stdout).toContain('created');
      expect((await sluice(`policy apply -f ${file} --node team/app`)).stdout).toContain('unchanged');
      const shown = await sluice('policy show release --node team/app');
      const again = await sluice('policy apply -f - --node team/app', { stdin: shown.stdout });
      expect(again.stdout, again.stderr).toContain('unchanged');
      expect((await sluice('policy list --node team/app')).stdout).toContain('release');
      expect((await sluice('policy show release')).exitCode).toBe(EXIT.notFound);
      expect((await sluice('policy delete release --node team/app')).exitCode).toBe(EXIT.green);
    });

    it('says the same about a faulty document with and without a server: every fault, and 2', async () => {
      const stdin = 'kind: policy\nspec: {rules: [{name: s, kind: scans}]}\n';
      const offline = await sluice('policy check -f -', { stdin, as: 'nobody' });
      const online = await sluice('policy apply -f -', { stdin });
      expect([offline.exitCode, online.exitCode]).toEqual([EXIT.usage, EXIT.usage]);
      for (const { stderr } of [offline, online]) {
        expect(stderr).toContain('apiVersion');
        expect(stderr).toContain('did you mean "scan"?');
      }
    });
  });

  describe('the gate', () => {
    const images: Record<string, Awaited<ReturnType<typeof seedArtifact>>> = {};
    beforeAll(async () => {
      const { source } = api.database;
      const [project] = await queryRows<{ id: string }>(
        source,
        `SELECT id FROM node WHERE path = 'team/app'`,
      );
      for (const state of ['green', 'amber', 'red', 'pending'] as const) {
        images[state] = await seedArtifact(source, {
          projectId: project?.id ?? '',
          repository: 'team/app/web',
          tags: [state],
          verdict: {
            state,
            ...(state === 'green' ? {} : { summary: `scan: it is ${state}` }),
            results: [
              {
                scope: 'installation',
                policy: 'default',
                policyVersion: 1,
                rule: 'scanned',
                kind: 'scan',
                mode: 'enforce',
                outcome: 'fail',
                reason: `it is ${state} \u001b[31mnow`,
                expected: 'a scan',
                found: 'none',
                evidence: [],
                remedy: 'a developer of team/app: push it again',
              },
            ],
          },
        });
      }
    });

    it.each([
      ['verdict team/app/web:green', EXIT.green],
      ['verdict team/app/web:amber', EXIT.green],
      ['verdict --fail-on amber team/app/web:amber', EXIT.amber],
      ['verdict --fail-on amber team/app/web:green', EXIT.green],
      ['verdict team/app/web:red', EXIT.red],
      ['verdict team/app/web:pending', EXIT.pending],
      ['verdict --wait=1s team/app/web:pending', EXIT.pending],
      ['verdict team/app/web:none', EXIT.notFound],
      ['verdict nobody/web:none', EXIT.notFound],
      ['verdict other.example:5000/team/app/web:red', EXIT.usage],
    ])('%s ends with %i', async (line, exitCode) => {
      expect((await sluice(line)).exitCode).toBe(exitCode);
    });

    it('shows state, digest, reason and the URL to read more', async () => {
      const host = url.slice('http://'.length);
      const { stdout } = await sluice(`verdict ${host}/team/app/web:red`);
      expect(stdout).toMatch(/^✖ red {2}/);
      expect(stdout).toContain(images.red?.digest);
      expect(stdout).toContain('scan: it is red');
      expect(stdout).toMatch(/http:\/\/sluice\.test\/api\/v1\/verdicts\/ver_[0-9a-f]{32}/);
      const result = await sluice('verdict team/app/web:red -o json');
      expect([result.exitCode, JSON.parse(result.stdout).state]).toEqual([EXIT.red, 'red']);
    });

    it('waits until a pending verdict is there, and says so on stderr only', async () => {
      const { source } = api.database;
      const verdicts = new Verdicts(new PostgresVerdictStore(source), new PostgresJobLedger(source));
      const waiting = sluice('verdict --wait team/app/web:pending');
      await delay(200);
      await verdicts.evaluateArtifact(images.pending?.id ?? '');
      const { exitCode, stdout } = await waiting;
      expect([exitCode, stdout.split('\n')[0]]).toEqual([EXIT.green, '✔ green  team/app/web:pending']);
    });

    it('explains every rule, and lets no escape sequence through', async () => {
      const { exitCode, stdout } = await sluice('explain team/app/web:red');
      expect(exitCode).toBe(EXIT.green);
      expect(stdout).toContain('FAIL  default/scanned');
      expect(stdout).toContain('to fix    a developer of team/app: push it again');
      expect(stdout).not.toContain('\u001b');
    });

    it('lists findings, and says why there is no SBOM', async () => {
      const finding = {
        advisory: 'GHSA-1',
        aliases: ['CVE-2026-1'],
        package: { purl: 'pkg:npm/x@1', ecosystem: 'npm', name: 'x', version: '1' },
        severity: 'high',
        score: null,
        fixedVersion: '2',
        layer: null,
        path: 'package.json',
      } as const;
      await seedEvidence(
        api.database.source,
        { digest: images.red?.digest ?? '', repositoryId: null },
        {
          kind: 'scan',
          state: 'findings',
          reasons: [],
          packages: 1,
          findings: Array.from({ length: 250 }, (_, index) => ({ ...finding, advisory: `GHSA-${index}` })),
          engine: 'test/1',
          advisoryRevision: 1,
          scannedAt: '2026-01-01T00:00:00Z',
        },
      );
      expect(await json('findings team/app/web:red --severity high --fixable')).toHaveLength(250);
      expect(await json('findings team/app/web:red --severity critical')).toEqual([]);
      expect((await sluice('findings team/app/web:red --severity awful')).exitCode).toBe(EXIT.usage);
      const { exitCode, stderr } = await sluice('sbom team/app/web:green');
      expect([exitCode, stderr.includes('not been scanned yet')]).toEqual([EXIT.notFound, true]);
    });

    it('lists denials as far as the caller may see them', async () => {
      const log = new PostgresDenialLog(api.database.source);
      log.record({
        at: new Date(),
        principalId: null,
        principalName: 'anonymous',
        tokenId: null,
        repository: 'team/app/web',
        reference: 'red',
        digest: images.red?.digest ?? '',
        rule: 'scan',
        reason: 'scan: it is red',
        verdictId: images.red?.verdictId ?? '',
        clientAddress: '192.0.2.1',
        userAgent: 'test',
        requestId: null,
      });
      await log.close();
      expect((await sluice('denials')).stdout).toContain('192.0.2.1');
      expect((await sluice('denials', { as: 'anna' })).exitCode).toBe(EXIT.forbidden);
      expect((await sluice('denials --repository team/app/web', { as: 'anna' })).stdout).toContain('scan');
      expect((await sluice('denials --node nobody', { as: 'anna' })).exitCode).toBe(EXIT.notFound);
    });
  });

  describe('the installation', () => {
    it('imports advisories, waits for the job, and shows what there is', async () => {
      const { source } = api.database;
      const ledger = new PostgresJobLedger(source);
      const uploads = new AdvisoryUploads(
        api.blobs,
        ledger,
        new AdvisoryImporter(new PostgresAdvisoryStore(source)),
      );
      const notifications = new PostgresNotifications({ url: api.database.url });
      const dispatcher = new LocalDispatcher(new PostgresJobQueue(source), notifications);
      await dispatcher.start({
        [IMPORT_JOB]: async (payload, context) => uploads.run(payload as ImportRequest, context),
      });
      try {
        const archive = join(directory, 'all.zip');
        const record = {
          id: 'GHSA-test-0001',
          modified: '2026-01-01T00:00:00Z',
          affected: [
            {
              package: { ecosystem: 'npm', name: 'x' },
              ranges: [{ type: 'SEMVER', events: [{ introduced: '0' }, { fixed: '2.0.0' }] }],
            },
          ],
        };
        writeFileSync(archive, zipOf({ 'GHSA-test-0001.json': JSON.stringify(record) }));
        const imported = await json(`db import ${archive}`);
        expect(imported).toMatchObject([{ state: 'succeeded', progress: { done: 1, unit: 'records' } }]);
        expect(await json('db status')).toMatchObject([{ ecosystem: 'npm', records: 1 }]);
        expect((await sluice('jobs')).stdout).toContain('advisories.import');
        expect(await json(`jobs show ${imported[0].id}`)).toMatchObject({ state: 'succeeded' });
        expect((await sluice('jobs cancel job_1')).exitCode).toBe(EXIT.notFound);
        expect((await sluice(`db import ${archive}`, { as: 'anna' })).exitCode).toBe(EXIT.forbidden);
        expect((await sluice(`db import ${join(directory, 'none')}`)).exitCode).toBe(EXIT.usage);
      } finally {
        await dispatcher.stop();
        await notifications.close();
      }
    });

    it('is looked at by the doctor: server, registry, login and, for administrators, what is inside', async () => {
      const report = await json('doctor');
      expect(report.checks.map((check: { name: string }) => check.name)).toEqual([
        'command',
        'configuration',
        'server',
        'clock',
        'registry',
        'login',
        'version',
        'advisory-data',
        'workers',
        'queue',
      ]);
      expect(report.checks.filter((check: { status: string }) => check.status === 'fail')).toEqual([]);
      const anna = await sluice('doctor', { as: 'anna' });
      expect([anna.exitCode, anna.stdout.includes('shown to administrators')]).toEqual([EXIT.green, true]);
      const stranger = await sluice(`doctor --url ${url}`, { as: 'nobody' });
      expect(stranger.stdout).toContain(`fix: sluice login ${url}`);
      const environment = { SLUICE_TOKEN: 'slc_pat_nonsense' };
      expect((await sluice('doctor', { environment })).exitCode).toBe(EXIT.unauthenticated);
    });
  });

  it('has printed no password and no token', () => {
    const everything = printed.join('\n').replaceAll(/"secret": "slc_rob_\w+"/g, '');
    for (const secret of SECRETS) expect(everything).not.toContain(secret);
    expect(everything).not.toMatch(/slc_(?!pat_nonsense)\w+/);
  });
});
