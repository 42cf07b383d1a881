/** `npm run test:clients`: real clients push and pull through the gate; prints one line per client and kind. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildLayer } from '@sluice/testing';
import { assert, assertEqual, Checklist } from './checklist.ts';
import { DockerDaemon } from './docker.ts';
import { installTools } from './install.ts';
import { importAdvisories, ociLayout } from './fixtures.ts';
import { ADMIN_PASSWORD, Platform } from './platform.ts';
import { attempt, run } from './run.ts';

const bin = await installTools();
const work = mkdtempSync(join(tmpdir(), 'sluice-clients-'));
const platform = await Platform.start();
const checklist = new Checklist('test:clients');
const repository = (name: string): string => `${platform.host}/clients/${name}`;
const env = {
  ...process.env,
  HOME: work,
  DOCKER_CONFIG: join(work, 'docker'),
  REGISTRY_AUTH_FILE: join(work, 'auth.json'),
  COSIGN_PASSWORD: '',
};
const options = { env, cwd: work };
const tool = (name: string): string => join(bin, name);

try {
  await importAdvisories(platform);
  await platform.api('POST', '/projects', { path: 'clients', visibility: 'private' }, { expect: 201 });
  const layout = await ociLayout(join(work, 'layout'), [
    await buildLayer([
      { path: 'app/node_modules/minimist/package.json', content: '{"name":"minimist","version":"1.2.8"}' },
    ]),
  ]);

  await checklist.check('crane: login, push, digest, pull, ls', async () => {
    await run(tool('crane'), ['auth', 'login', platform.host, '-u', 'admin', '-p', ADMIN_PASSWORD], options);
    await run(tool('crane'), ['push', '--insecure', layout.path, `${repository('crane')}:1`], options);
    const { stdout } = await run(
      tool('crane'),
      ['digest', '--insecure', `${repository('crane')}:1`],
      options,
    );
    assertEqual(stdout.trim(), layout.digest, 'digest');
    await run(
      tool('crane'),
      ['pull', '--insecure', '--format=oci', `${repository('crane')}:1`, join(work, 'crane-pull')],
      options,
    );
    const tags = await run(tool('crane'), ['ls', '--insecure', repository('crane')], options);
    assertEqual(tags.stdout.trim(), '1', 'tags');
  });

  await checklist.check('skopeo: copy in, inspect, copy out, delete', async () => {
    const creds = `admin:${ADMIN_PASSWORD}`;
    await run(
      'skopeo',
      [
        'copy',
        '--dest-tls-verify=false',
        '--dest-creds',
        creds,
        `oci:${layout.path}:latest`,
        `docker://${repository('skopeo')}:1`,
      ],
      options,
    );
    const { stdout } = await run(
      'skopeo',
      ['inspect', '--tls-verify=false', '--creds', creds, `docker://${repository('skopeo')}:1`],
      options,
    );
    assertEqual((JSON.parse(stdout) as { Digest: string }).Digest, layout.digest, 'digest');
    await run(
      'skopeo',
      [
        'copy',
        '--src-tls-verify=false',
        '--src-creds',
        creds,
        `docker://${repository('skopeo')}:1`,
        `dir:${join(work, 'skopeo-out')}`,
      ],
      options,
    );
    await run(
      'skopeo',
      ['delete', '--tls-verify=false', '--creds', creds, `docker://${repository('skopeo')}:1`],
      options,
    );
    const gone = await attempt(
      'skopeo',
      ['inspect', '--tls-verify=false', '--creds', creds, `docker://${repository('skopeo')}:1`],
      options,
    );
    assert(gone.code !== 0, 'the deleted tag can still be inspected');
  });

  await checklist.check('podman: login, import, push, pull', async () => {
    const storage = [
      '--root',
      join(work, 'podman'),
      '--runroot',
      join(work, 'podman-run'),
      '--storage-driver',
      'vfs',
    ];
    await run(
      'podman',
      [...storage, 'login', '--tls-verify=false', '-u', 'admin', '-p', ADMIN_PASSWORD, platform.host],
      options,
    );
    await run('podman', [...storage, 'pull', '--tls-verify=false', `${repository('crane')}:1`], options);
    await run(
      'podman',
      [...storage, 'tag', `${repository('crane')}:1`, `${repository('podman')}:1`],
      options,
    );
    await run('podman', [...storage, 'push', '--tls-verify=false', `${repository('podman')}:1`], options);
    await run('podman', [...storage, 'rmi', '-f', `${repository('podman')}:1`], options);
    await run('podman', [...storage, 'pull', '--tls-verify=false', `${repository('podman')}:1`], options);
  });

  await checklist.check('docker: login, pull, tag, push, pull again', async () => {
    const docker = await DockerDaemon.start();
    try {
      await docker.run(['login', platform.host, '-u', 'admin', '--password-stdin'], {
        input: ADMIN_PASSWORD,
      });
      await docker.run(['pull', `${repository('crane')}:1`]);
      await docker.run(['tag', `${repository('crane')}:1`, `${repository('docker')}:1`]);
      await docker.run(['push', `${repository('docker')}:1`]);
      await docker.run(['rmi', `${repository('docker')}:1`, `${repository('crane')}:1`]);
      await docker.run(['pull', `${repository('docker')}:1`]);
    } finally {
      await docker.stop();
    }
  });

  await checklist.check('oras: login, push, attach, discover, pull', async () => {
    writeFileSync(join(work, 'note.txt'), 'an artifact without a runtime\n');
    writeFileSync(join(work, 'sbom.json'), '{"bomFormat":"CycloneDX","specVersion":"1.6"}\n');
    await run(tool('oras'), ['login', '--plain-http', platform.host, '-u', 'admin', '--password-stdin'], {
      ...options,
      input: ADMIN_PASSWORD,
    });
    await run(
      tool('oras'),
      [
        'push',
        '--plain-http',
        '--artifact-type',
        'application/vnd.example.note',
        `${repository('oras')}:1`,
        'note.txt:text/plain',
      ],
      options,
    );
    await run(
      tool('oras'),
      [
        'attach',
        '--plain-http',
        '--artifact-type',
        'application/vnd.cyclonedx+json',
        `${repository('oras')}:1`,
        'sbom.json:application/vnd.cyclonedx+json',
      ],
      options,
    );
    const { stdout } = await run(
      tool('oras'),
      ['discover', '--plain-http', '--format', 'json', `${repository('oras')}:1`],
      options,
    );
    assert(
      stdout.includes('application/vnd.cyclonedx+json'),
      `the attached SBOM is not discovered: ${stdout}`,
    );
    mkdirSync(join(work, 'oras-out'));
    await run(
      tool('oras'),
      ['pull', '--plain-http', '-o', join(work, 'oras-out'), `${repository('oras')}:1`],
      options,
    );
    assertEqual(
      readFileSync(join(work, 'oras-out', 'note.txt'), 'utf8'),
      'an artifact without a runtime\n',
      'pulled file',
    );
  });

  await checklist.check('helm: login, package, push, show, pull', async () => {
    const chart = join(work, 'chart');
    mkdirSync(join(chart, 'templates'), { recursive: true });
    writeFileSync(
      join(chart, 'Chart.yaml'),
      'apiVersion: v2\nname: web\nversion: 1.0.0+build.1\ndescription: a chart\n',
    );
    writeFileSync(
      join(chart, 'templates', 'config.yaml'),
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n',
    );
    await run(
      tool('helm'),
      ['registry', 'login', '--plain-http', '-u', 'admin', '--password-stdin', platform.host],
      { ...options, input: ADMIN_PASSWORD },
    );
    await run(tool('helm'), ['package', chart, '-d', work], options);
    await run(
      tool('helm'),
      ['push', '--plain-http', join(work, 'web-1.0.0+build.1.tgz'), `oci://${platform.host}/clients`],
      options,
    );
    await run(
      tool('helm'),
      ['show', 'chart', '--plain-http', '--version', '1.0.0+build.1', `oci://${platform.host}/clients/web`],
      options,
    );
    await run(
      tool('helm'),
      [
        'pull',
        '--plain-http',
        '--version',
        '1.0.0+build.1',
        '-d',
        join(work, 'oras-out'),
        `oci://${platform.host}/clients/web`,
      ],
      options,
    );
  });

  await checklist.check('cosign: generate, sign and verify in both formats, tree', async () => {
    await run(tool('cosign'), ['generate-key-pair'], options);
    const reference = `${repository('crane')}@${layout.digest}`;
    writeFileSync(
      join(work, 'signing-config.json'),
      '{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json"}',
    );
    const registry = ['--allow-http-registry', '--allow-insecure-registry'];
    const legacy = ['--new-bundle-format=false', '--use-signing-config=false', '--tlog-upload=false'];
    await run(
      tool('cosign'),
      ['sign', '--yes', '--key', 'cosign.key', ...legacy, ...registry, reference],
      options,
    );
    await run(
      tool('cosign'),
      [
        'verify',
        '--key',
        'cosign.pub',
        '--insecure-ignore-tlog',
        '--new-bundle-format=false',
        ...registry,
        reference,
      ],
      options,
    );
    await run(
      tool('cosign'),
      [
        'sign',
        '--yes',
        '--key',
        'cosign.key',
        '--signing-config',
        'signing-config.json',
        ...registry,
        reference,
      ],
      options,
    );
    await run(
      tool('cosign'),
      ['verify', '--key', 'cosign.pub', '--insecure-ignore-tlog', ...registry, reference],
      options,
    );
    await run(tool('cosign'), ['tree', ...registry, reference], options);
  });
} finally {
  await platform.remove();
  rmSync(work, { recursive: true, force: true });
}
checklist.finish();
