import { assert, assertEqual } from '../checklist.ts';
import { ociImage } from './image-kinds.ts';
import type { Sample } from './sample.ts';
import type { World } from './world.ts';

export interface Seed {
  readonly sample: Sample;
  /** Below the project. */
  readonly repository: string;
}

/** From here on clients fetch blobs from the object store, by a signed URL. */
export async function redirectDownloads(world: World): Promise<void> {
  const { deployment } = world;
  const found = await deployment.api<{ items: { id: string }[] }>('GET', '/projects?path=clients');
  const path = `/projects/${found.body.items[0]?.id}`;
  const { headers } = await deployment.api('GET', path);
  const change = { headers: { 'if-match': headers.get('etag') ?? '' } };
  await deployment.api('PATCH', path, { blobDownloads: 'redirect' }, change);
  await expectRedirect(world);
}

/** An image for one client alone, so that nothing of it lies on this machine already. */
export async function seedRedirected(world: World, client: string): Promise<Seed> {
  const sample = await ociImage(`redirected, ${client}`);
  return { sample, repository: await world.seed(`redirected-${client}`, sample) };
}

/** The answer points away from the registry, and what lies there is the blob. */
async function expectRedirect(world: World): Promise<void> {
  const { sample, repository } = await seedRedirected(world, 'nobody');
  const [layer] = sample.contents;
  assert(layer !== undefined, 'the image has a layer');
  const answer = await world.get(`clients/${repository}/blobs/${layer.digest}`, {}, 'manual');
  assertEqual(answer.status, 307, 'status of the blob');
  const location = answer.headers.get('location') ?? '';
  assert(new URL(location).host !== world.deployment.host, `the blob lies at ${location}`);
  const bytes = Buffer.from(await (await fetch(location)).arrayBuffer());
  assert(bytes.equals(layer.bytes), 'other bytes lie there');
}
