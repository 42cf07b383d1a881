import type { Outcome } from '../run.ts';
import { assert } from '../checklist.ts';
import { seedRedirected } from './redirect.ts';
import { hex, type Sample } from './sample.ts';
import type { Samples } from './samples.ts';
import type { Client } from './table.ts';
import type { World } from './world.ts';

/** What a client proves, by the name of the kind in the table. */
export type Cells = Readonly<Record<string, () => Promise<unknown>>>;

/** One client with its state. */
export interface Runner {
  readonly client: Client;
  readonly cells: Cells;
  /** Ends what it started. */
  stop?(): Promise<void>;
}

/** A client that copies whole artifacts between a directory and a registry, whatever they are. */
export interface GraphClient {
  readonly client: Client;
  /** Pushes a sample as `v1`. */
  push(sample: Sample, repository: string): Promise<void>;
  /** Pulls `v1` into an empty place and fails unless every byte of the sample came. */
  pull(sample: Sample, repository: string): Promise<void>;
}

/** Kinds that need nothing but to be copied there and back. */
const COPIED = [
  'Docker v2s2',
  'Docker list',
  'OCI image',
  'OCI index',
  'nested index',
  'BuildKit',
  'BuildKit, OCI form',
  'zstd',
  'eStargz',
  'SOCI v1',
  'SOCI v2',
  'artifact',
  'empty config',
  'artifact index',
  'with subject',
  'Trivy database',
  'nondistributable',
  'foreign layer',
  'file as image',
  'WASM',
  'SIF',
];

/** Push, look at every byte and media type that arrived, pull, compare. */
export function graphCells(
  world: World,
  client: GraphClient,
  samples: Samples,
  without: readonly string[] = [],
): Cells {
  const names = COPIED.filter((name) => !without.includes(name));
  const copied = names.map((name) => [
    name,
    async () => {
      for (const [at, sample] of (samples.get(name) ?? []).entries()) {
        const repository = `${client.client}/${slug(name)}-${at}`;
        await client.push(sample, repository);
        await world.expectStored(repository, sample);
        await client.pull(sample, repository);
      }
    },
  ]);
  return {
    ...(Object.fromEntries(copied) as Cells),
    'redirected pull': async () => {
      const { sample, repository } = await seedRedirected(world, client.client);
      await client.pull(sample, repository);
    },
  };
}

/** A wrong password gets nowhere, and the right one does. */
export async function expectLogin(
  world: World,
  client: Client,
  login: (user: string, password: string) => Promise<Outcome>,
): Promise<void> {
  const { user } = world.accounts[client];
  const refused = await login(user, 'not the password');
  const said = `${refused.stdout}${refused.stderr}`;
  assert(refused.code !== 0, 'a wrong password was accepted');
  assert(
    /unauthorized|401|denied|invalid username/i.test(said),
    `a wrong password is answered with: ${said}`,
  );
  await expectAccess(world, client, login);
}

/** The account of the client gets in. */
export async function expectAccess(
  world: World,
  client: Client,
  login: (user: string, password: string) => Promise<Outcome>,
): Promise<void> {
  const { user, password } = world.accounts[client];
  const { code, stdout, stderr } = await login(user, password);
  assert(code === 0, `the login failed: ${stdout}${stderr}`);
}

/** The config of the image for linux/amd64 that a runtime takes out of a sample. */
export function configFor(sample: Sample, manifest = sample.root): string {
  const parsed = JSON.parse(manifest.bytes.toString()) as {
    config?: { digest: string };
    manifests?: { digest: string; platform?: { architecture: string } }[];
  };
  if (parsed.config !== undefined) return parsed.config.digest;
  const child = parsed.manifests?.find(
    ({ platform }) => platform === undefined || platform.architecture === 'amd64',
  );
  const found = sample.contents.find(({ digest }) => digest === child?.digest);
  assert(found !== undefined, `${hex(manifest.digest)} has no image for linux/amd64`);
  return configFor(sample, found);
}

export function slug(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
}
