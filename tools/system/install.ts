/**
 * Installs the outside programs of the system tests: clients from Debian packages, the rest from pinned Go modules.
 * What is already there is left alone. Prints one line per program.
 */
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { BIN, ROOT, toolsDirectory } from './paths.ts';
import { attempt, run } from './run.ts';

/** Debian package -> a program it brings. */
const PACKAGES: Record<string, string> = {
  skopeo: '/usr/bin/skopeo',
  podman: '/usr/bin/podman',
  'docker.io': '/usr/sbin/dockerd',
  debootstrap: '/usr/sbin/debootstrap',
  wrk: '/usr/bin/wrk',
  buildah: '/usr/bin/buildah',
  containerd: '/usr/bin/ctr',
  gnupg: '/usr/bin/gpg',
  'redis-server': '/usr/bin/redis-server',
  'postgresql-15': '/usr/lib/postgresql/15/bin/postgres',
  'ceph-mon': '/usr/bin/ceph-mon',
  'ceph-osd': '/usr/bin/ceph-osd',
  radosgw: '/usr/bin/radosgw',
};

interface GoTool {
  readonly binary: string;
  /** `go install` target with its version; absent for tools that are built from a module of ours. */
  readonly install?: string;
  /** Variables of its build. */
  readonly env?: Readonly<Record<string, string>>;
  /** Only for comparisons: not installed unless it is asked for by name. */
  readonly isPeer?: true;
  /** Directory under tools/system/go with go.mod and go.sum, for modules that cannot be `go install`ed by version. */
  readonly module?: string;
  readonly build?: readonly string[];
}

const GO_TOOLS: readonly GoTool[] = [
  { binary: 'crane', install: 'github.com/google/go-containerregistry/cmd/crane@v0.21.9' },
  { binary: 'cosign', install: 'github.com/sigstore/cosign/v3/cmd/cosign@v3.1.2' },
  { binary: 'helm', install: 'helm.sh/helm/v4/cmd/helm@v4.2.4' },
  { binary: 'cosign-2', install: 'github.com/sigstore/cosign/v2/cmd/cosign@v2.6.5' },
  { binary: 'regctl', install: 'github.com/regclient/regclient/cmd/regctl@v0.11.5' },
  {
    binary: 'notation',
    module: 'notation',
    build: ['build', '-mod=mod', 'github.com/notaryproject/notation/cmd/notation'],
  },
  { binary: 'versitygw', install: 'github.com/versity/versitygw/cmd/versitygw@v1.7.0' },
  {
    binary: 'conformance',
    module: 'conformance-main',
    build: ['build', '-mod=mod', 'github.com/opencontainers/distribution-spec/conformance'],
  },
  {
    binary: 'registry',
    install: 'github.com/distribution/distribution/v3/cmd/registry@v3.1.1',
    isPeer: true,
  },
  {
    binary: 'zot',
    install: 'zotregistry.dev/zot/v2/cmd/zot@v2.1.20',
    env: { GOEXPERIMENT: 'jsonv2' },
    isPeer: true,
  },
  { binary: 'oras', module: 'oras', build: ['build', '-mod=mod', 'oras.land/oras/cmd/oras'] },
  {
    binary: 'conformance-1.1.1.test',
    module: 'conformance',
    build: ['test', '-mod=mod', '-c', 'github.com/opencontainers/distribution-spec/conformance'],
  },
];

/** Makes every program available that is missing; resolves with the directory of the Go binaries. */
export async function installTools(only?: readonly string[]): Promise<string> {
  const directory = toolsDirectory();
  await installPackages(only);
  for (const tool of GO_TOOLS) {
    if (only === undefined ? tool.isPeer : !only.includes(tool.binary)) continue;
    if (existsSync(join(directory, tool.binary))) continue;
    const startedAt = Date.now();
    console.error(`system tools: building ${tool.binary}`);
    await buildGoTool(tool, directory);
    console.error(`system tools: built ${tool.binary} in ${Math.round((Date.now() - startedAt) / 1_000)} s`);
  }
  return directory;
}

async function installPackages(only: readonly string[] | undefined): Promise<void> {
  const missing = Object.entries(PACKAGES)
    .filter(([name, program]) => !existsSync(program) && (only === undefined || only.includes(name)))
    .map(([name]) => name);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    throw new Error(`the system tests need ${missing.join(', ')}: install them, or run as root on Debian`);
  }
  console.error(`system tools: installing ${missing.join(', ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update', '-q'], { env, timeoutSeconds: 600 });
  // The services that packages start by themselves are not wanted: the tests start their own, on their own sockets.
  await run('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...missing], {
    env: { ...env, RUNLEVEL: '1' },
    timeoutSeconds: 1_200,
  });
}

async function buildGoTool(tool: GoTool, directory: string): Promise<void> {
  const env = {
    ...process.env,
    ...tool.env,
    CGO_ENABLED: '0',
    GOFLAGS: '-trimpath',
    // These modules are pinned by the go.sum beside their go.mod; the checksum database does not know all of them.
    ...(tool.module === undefined
      ? {}
      : { GONOSUMDB: 'github.com/opencontainers/*,github.com/notaryproject/*,oras.land/*' }),
  };
  const work = mkdtempSync(join(tmpdir(), 'sluice-go-'));
  try {
    if (tool.install !== undefined) {
      await run('go', ['install', tool.install], { env: { ...env, GOBIN: work }, timeoutSeconds: 1_800 });
      // Two versions of one program are told apart by their file names here.
      const [built = tool.binary] = readdirSync(work);
      cpSync(join(work, built), join(directory, tool.binary));
      return;
    }
    cpSync(join(ROOT, 'tools', 'system', 'go', tool.module ?? ''), work, { recursive: true });
    const [verb = 'build', ...rest] = tool.build ?? [];
    await run('go', [verb, '-o', join(BIN, tool.binary), ...rest], { env, cwd: work, timeoutSeconds: 1_800 });
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { code } = await attempt('go', ['version']);
  if (code !== 0) throw new Error('the system tests need Go 1.26 or newer to build their clients');
  console.log(`system tools: ready in ${await installTools()}`);
}
