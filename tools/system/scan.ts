/**
 * `npm run test:scan`: a debootstrap Debian 12 and (where the corpora are at hand) real Alpine archives, pushed by real
 * clients: the inventory equals what the distribution's own tools say, findings have fixed versions that the
 * advisories name, and a second image on the same base reads only its own layer.
 */
import {
  createReadStream,
  createWriteStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { assert, assertEqual, Checklist } from './checklist.ts';
import { sluice } from './fixtures.ts';
import { installTools } from './install.ts';
import { hasShared, SHARED, TOOLS } from './paths.ts';
import { ADMIN_PASSWORD, Platform } from './platform.ts';
import { run } from './run.ts';
import { apkDatabase, componentsOf, dpkgQuery, type PackageLine } from './scan/inventories.ts';

const PROJECT = 'scan/images';
const CREDENTIALS = `admin:${ADMIN_PASSWORD}`;
const IMAGES = join(SHARED, 'data', 'images', 'docker-archive');
const OSV = join(SHARED, 'data', 'osv');

await installTools(['skopeo', 'podman', 'debootstrap']);
const work = mkdtempSync(join(tmpdir(), 'sluice-scan-'));
const platform = await Platform.start();
const checklist = new Checklist('test:scan');
const podman = [
  '--root',
  join(work, 'podman'),
  '--runroot',
  join(work, 'podman-run'),
  '--storage-driver',
  'vfs',
];

interface Artifact {
  readonly id: string;
  readonly verdict: { readonly state: string; readonly summary: string | null };
}

interface FindingView {
  readonly advisory: string;
  readonly severity: string;
  readonly fixedVersion: string | null;
  readonly package: { readonly name: string; readonly version: string };
}

function reference(name: string): string {
  return `${platform.host}/${PROJECT}/${name}:1`;
}

/** The artifact behind a tag once its scan has ended. */
async function scanned(name: string): Promise<Artifact> {
  const deadline = Date.now() + 180_000;
  for (;;) {
    const { body } = await platform.api<Artifact>('GET', `/resolve?ref=${PROJECT}/${name}:1`);
    const evidence = await platform.api<{ items: { kind: string }[] }>(
      'GET',
      `/artifacts/${body.id}/evidence`,
    );
    if (evidence.body.items.some(({ kind }) => kind === 'scan')) return body;
    assert(Date.now() < deadline, `${name} is not scanned after 180 s`);
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function inventoryOf(name: string, type: string): Promise<PackageLine[]> {
  const { id } = await scanned(name);
  const sbom = await platform.api<unknown>('GET', `/artifacts/${id}/sbom`);
  const document = typeof sbom.body === 'string' ? (JSON.parse(sbom.body) as unknown) : sbom.body;
  return componentsOf(document, type);
}

async function findingsOf(name: string): Promise<FindingView[]> {
  const { id } = await scanned(name);
  const { body } = await platform.api<{ items: FindingView[] }>('GET', `/artifacts/${id}/findings?limit=500`);
  return body.items;
}

/** The layers that a scan read, as its log line says. */
function layersRead(digestOrName: string): number {
  const line = platform.output
    .split('\n')
    .findLast((text) => text.includes('"event":"scan.finished"') && text.includes(digestOrName));
  assert(line !== undefined, `no log line tells of the scan of ${digestOrName}`);
  return (JSON.parse(line) as { layersRead: number }).layersRead;
}

function compare(ours: readonly PackageLine[], theirs: readonly PackageLine[]): string {
  const [a, b] = [ours, theirs].map((lines) =>
    lines.map(({ name, version }) => `${name} ${version}`).toSorted(),
  );
  const missing = b?.filter((line) => !a?.includes(line)) ?? [];
  const extra = a?.filter((line) => !b?.includes(line)) ?? [];
  assert(
    missing.length === 0 && extra.length === 0,
    `missing: ${missing.join(', ')}; too many: ${extra.join(', ')}`,
  );
  assertEqual(a?.length, b?.length, 'number of packages');
  return `${ours.length} packages`;
}

/** A Debian 12 of the main suite alone, kept between runs: the mirror need not send it twice. */
async function debianRoot(): Promise<string> {
  const root = join(TOOLS, 'debian-12-minbase');
  if (existsSync(join(root, 'var', 'lib', 'dpkg', 'status'))) return root;
  rmSync(root, { recursive: true, force: true });
  mkdirSync(TOOLS, { recursive: true });
  console.error('test:scan: building a Debian 12 with debootstrap (a minute, once)');
  await run('debootstrap', ['--variant=minbase', 'bookworm', `${root}.new`], { timeoutSeconds: 1_200 });
  await run('mv', [`${root}.new`, root]);
  return root;
}

try {
  await platform.api('POST', '/projects', { path: PROJECT, visibility: 'private' }, { expect: 201 });
  if (hasShared()) {
    await checklist.check('the real advisories are imported, once and again without change', async () => {
      const startedAt = Date.now();
      for (const ecosystem of ['Debian', 'Alpine', 'npm', 'PyPI', 'Go']) {
        await sluice(platform, ['db', 'import', join(OSV, ecosystem, 'all.zip')]);
      }
      const seconds = Math.round((Date.now() - startedAt) / 1_000);
      await sluice(platform, ['db', 'import', join(OSV, 'Alpine', 'all.zip')]);
      return `${seconds} s for five ecosystems`;
    });
  }

  const root = await debianRoot();
  await checklist.check(
    'Debian 12 by debootstrap, pushed by podman: inventory equals dpkg-query',
    async () => {
      await run('tar', ['-C', root, '-cf', join(work, 'debian.tar'), '.']);
      await run('podman', [...podman, 'import', join(work, 'debian.tar'), 'localhost/debian:12'], {
        timeoutSeconds: 600,
      });
      await run('podman', [
        ...podman,
        'push',
        '--tls-verify=false',
        '--creds',
        CREDENTIALS,
        'localhost/debian:12',
        `docker://${reference('debian')}`,
      ]);
      return compare(await inventoryOf('debian', 'deb'), await dpkgQuery(root));
    },
  );
  await checklist.check('a second image on that base reads only its own layer', async () => {
    mkdirSync(join(work, 'context', 'app', 'node_modules', 'minimist'), { recursive: true });
    await run(
      'sh',
      ['-c', `echo '{"name":"minimist","version":"1.2.5"}' > app/node_modules/minimist/package.json`],
      { cwd: join(work, 'context') },
    );
    await run('sh', ['-c', 'printf "FROM localhost/debian:12\\nCOPY app /app\\n" > Containerfile'], {
      cwd: join(work, 'context'),
    });
    await run(
      'podman',
      [...podman, 'build', '--isolation=chroot', '--layers', '-t', 'localhost/app:1', join(work, 'context')],
      { timeoutSeconds: 600 },
    );
    await run('podman', [
      ...podman,
      'push',
      '--tls-verify=false',
      '--creds',
      CREDENTIALS,
      'localhost/app:1',
      `docker://${reference('app')}`,
    ]);
    const npm = await inventoryOf('app', 'npm');
    assertEqual(
      npm.map(({ name, version }) => `${name} ${version}`),
      ['minimist 1.2.5'],
      'npm packages',
    );
    compare(await inventoryOf('app', 'deb'), await dpkgQuery(root));
    const { body } = await platform.api<{ digest: string }>('GET', `/resolve?ref=${PROJECT}/app:1`);
    assertEqual(layersRead(body.digest), 1, 'layers read');
  });
  if (hasShared()) {
    await checklist.check('findings of Debian 12 have the fixed versions of the advisories', async () => {
      const findings = await findingsOf('debian');
      assert(findings.length >= 5, `only ${findings.length} findings in a Debian without security updates`);
      const withFix = findings.filter(({ fixedVersion }) => fixedVersion !== null);
      for (const { package: found, fixedVersion } of withFix) {
        const { stdout } = await run('sh', [
          '-c',
          `dpkg --compare-versions '${found.version}' lt '${fixedVersion}' && echo lower`,
        ]);
        assertEqual(stdout.trim(), 'lower', `${found.name} ${found.version} beside its fix ${fixedVersion}`);
      }
      return `${findings.length} findings, ${withFix.length} with a fixed version, each newer by dpkg`;
    });
    for (const archive of readdirSync(IMAGES).filter((name) => /^alpine-\d+\.tar\.gz$/.test(name))) {
      const name = archive.replace('.tar.gz', '');
      await checklist.check(`${name}, pushed by skopeo: inventory equals the apk database`, async () => {
        const tar = join(work, `${name}.tar`);
        await pipeline(createReadStream(join(IMAGES, archive)), createGunzip(), createWriteStream(tar));
        await run('skopeo', [
          'copy',
          '--dest-tls-verify=false',
          '--dest-creds',
          CREDENTIALS,
          `docker-archive:${tar}`,
          `docker://${reference(name)}`,
        ]);
        const packages = compare(await inventoryOf(name, 'apk'), await apkDatabase(tar, work));
        const findings = await findingsOf(name);
        const withFix = findings.filter(({ fixedVersion }) => fixedVersion !== null).length;
        assert(withFix > 5, `only ${withFix} findings with a fixed version in an Alpine of 2020`);
        return `${packages}, ${findings.length} findings, ${withFix} with a fixed version`;
      });
    }
  }
} finally {
  await platform.remove();
  rmSync(work, { recursive: true, force: true });
}
checklist.finish();
