import type { PushImagesTask } from '../driver/messages.ts';
import { PROJECT, type Registry } from '../registries/registry.ts';
import { MEBIBYTE, REPOSITORY, TAG } from '../seed.ts';
import { residentMegabytes } from '../process-usage.ts';
import { type Bench, COMPILING_TURNS, type Row } from './row.ts';

const IMAGE_CLIENTS = 10;
/** Two layers of an image that changes little from build to build. */
const SMALL_LAYERS = [32 * 1_024, 4 * 1_024];
const MEMORY_CLIENTS = 8;
const NONE = { plain: {}, tls: {} };

type Client = PushImagesTask['clients'][number];

export const PUSHES: readonly Row[] = [
  {
    id: 'push-large',
    title: 'push of one 1 GiB blob',
    unit: 's',
    higherIsBetter: false,
    operation: 'MiB',
    goals: { plain: { best: 1 }, tls: {} },
    isForPeers: true,
    async measure(bench, registry) {
      const sizeBytes = (bench.quick ? 256 : 1_024) * MEBIBYTE;
      const clients = await clientsOf(bench, registry, 1);
      const { seconds } = await bench.driver.run({
        kind: 'push-blobs',
        endpoint: registry.endpoint,
        clients,
        sizeBytes,
      });
      return { value: seconds, operations: sizeBytes / MEBIBYTE };
    },
  },
  {
    id: 'push-images',
    title: '200 small images pushed by 10 clients',
    unit: 'images/s',
    higherIsBetter: true,
    operation: 'image',
    goals: { plain: { best: 1 }, tls: {} },
    warmUps: COMPILING_TURNS,
    isForPeers: true,
    async measure(bench, registry) {
      const clients = await clientsOf(bench, registry, IMAGE_CLIENTS);
      const { seconds, operations } = await pushSmallImages(bench, registry, clients);
      return { value: operations / seconds, operations };
    },
  },
  {
    id: 'push-images-judged',
    title: 'the same, until the last image is scanned and judged',
    unit: 'images/s',
    higherIsBetter: true,
    operation: 'image',
    goals: NONE,
    isForPeers: false,
    async measure(bench, registry) {
      const clients = await clientsOf(bench, registry, IMAGE_CLIENTS);
      const startedAt = performance.now();
      const { operations } = await pushSmallImages(bench, registry, clients);
      await registry.rest();
      return { value: operations / ((performance.now() - startedAt) / 1_000), operations };
    },
  },
  {
    id: 'mixed',
    title: 'mixed: 10 clients, 3 pulls of 11 MiB to 1 push of a small image',
    unit: 'operations/s',
    higherIsBetter: true,
    operation: 'operation',
    goals: NONE,
    isForPeers: true,
    async measure(bench, registry) {
      const { seed } = bench;
      const { seconds, operations } = await bench.driver.run({
        kind: 'mixed',
        endpoint: registry.endpoint,
        clients: await clientsOf(bench, registry, IMAGE_CLIENTS),
        pulledFrom: {
          repository: REPOSITORY,
          fields: { authorization: await registry.authorization([REPOSITORY], ['pull']) },
        },
        pulled: {
          tag: TAG,
          digest: seed.image.manifest.digest,
          blobs: [seed.image.config.digest, seed.layer(1), seed.layer(10)],
        },
        operationsEach: bench.quick ? 12 : 32,
        layerBytes: SMALL_LAYERS,
      });
      return { value: operations / seconds, operations };
    },
  },
  {
    id: 'push-memory',
    title: 'peak resident memory of a registry process, 8 clients push 1 GiB each',
    unit: 'MB',
    higherIsBetter: false,
    operation: null,
    goals: { plain: { below: 350 }, tls: {} },
    isForPeers: true,
    isLong: true,
    async measure(bench, registry) {
      let peak = 0;
      const sample = (): void => {
        peak = Math.max(peak, ...residentMegabytes(registry.servers()));
      };
      const sampling = setInterval(sample, 50);
      try {
        await bench.driver.run({
          kind: 'push-blobs',
          endpoint: registry.endpoint,
          clients: await clientsOf(bench, registry, MEMORY_CLIENTS),
          sizeBytes: (bench.quick ? 256 : 1_024) * MEBIBYTE,
        });
      } finally {
        clearInterval(sampling);
      }
      return { value: peak, operations: 1 };
    },
  },
  {
    id: 'large-commit',
    title: 'commit of a 20 GB upload: the PUT after the last byte',
    unit: 's',
    higherIsBetter: false,
    operation: null,
    goals: { plain: { below: 1 }, tls: {} },
    isForPeers: false,
    isLong: true,
    async measure(bench, registry) {
      const [client] = await clientsOf(bench, registry, 1);
      if (client === undefined) throw new Error('no client');
      const { seconds } = await bench.driver.run({
        kind: 'large-commit',
        endpoint: registry.endpoint,
        ...client,
        sizeBytes: bench.quick ? 2e9 : 20e9,
      });
      return { value: seconds, operations: 1 };
    },
  },
];

function pushSmallImages(bench: Bench, { endpoint }: Registry, clients: readonly Client[]) {
  return bench.driver.run({
    kind: 'push-images',
    endpoint,
    clients,
    imagesEach: 20,
    layerBytes: SMALL_LAYERS,
  });
}

/** So many clients, each with a repository of its own that nobody has used. */
async function clientsOf(bench: Bench, registry: Registry, count: number): Promise<Client[]> {
  return Promise.all(
    Array.from({ length: count }, async () => {
      const repository = `${PROJECT}/${bench.fresh()}`;
      const authorization = await registry.authorization([repository], ['pull', 'push']);
      return { repository, fields: { authorization } };
    }),
  );
}
