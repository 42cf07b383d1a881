import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { buildImage, descriptor, type Layer } from '@sluice/testing';
import { zip } from '../lib/zip.ts';
import { ADMIN_PASSWORD } from './platform.ts';
import { ROOT } from './paths.ts';
import { run } from './run.ts';

/**
 * Packs the small advisory records that ship with the demo (one critical and one high for npm packages) as a source
 * of OSV data: `<directory>/npm/all.zip`. Returns the path of the archive.
 */
export function packDemoAdvisories(directory: string): string {
  const source = join(ROOT, 'tools', 'demo', 'advisories');
  const files = readdirSync(source).map((name) => ({ name, content: readFileSync(join(source, name)) }));
  const archive = join(directory, 'npm', 'all.zip');
  mkdirSync(dirname(archive), { recursive: true });
  writeFileSync(archive, zip(files));
  return archive;
}

/** A running Sluice, and a directory for what is made beside it. */
export interface Reachable {
  readonly url: string;
  readonly directory: string;
}

/** Loads the demo's advisories through the command line tool, as a user does. */
export async function importAdvisories(platform: Reachable): Promise<void> {
  await sluice(platform, ['db', 'import', packDemoAdvisories(platform.directory)]);
}

/** Runs the `sluice` command as the first admin and returns what it printed. */
export async function sluice(
  platform: Reachable,
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<string> {
  const { stdout } = await run(process.execPath, [join(ROOT, 'apps', 'cli', 'dist', 'main.js'), ...args], {
    env: {
      ...process.env,
      XDG_CONFIG_HOME: join(platform.directory, 'config'),
      SLUICE_URL: platform.url,
      SLUICE_USER: 'admin',
      SLUICE_PASSWORD: ADMIN_PASSWORD,
      ...environment,
    },
  });
  return stdout;
}

/** Writes an image as an OCI image layout with the tag `latest`. */
export async function ociLayout(
  path: string,
  layers: readonly Layer[],
): Promise<{ path: string; digest: string }> {
  const image = buildImage(layers);
  const blobs = join(path, 'blobs', 'sha256');
  mkdirSync(blobs, { recursive: true });
  for (const content of [image.manifest, image.config, ...layers]) {
    writeFileSync(join(blobs, content.digest.slice('sha256:'.length)), content.bytes);
  }
  writeFileSync(join(path, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const index = {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      { ...descriptor(image.manifest), annotations: { 'org.opencontainers.image.ref.name': 'latest' } },
    ],
  };
  writeFileSync(join(path, 'index.json'), JSON.stringify(index));
  return { path, digest: image.manifest.digest };
}
