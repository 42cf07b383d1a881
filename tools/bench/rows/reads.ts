import type { RepeatTask } from '../driver/messages.ts';
import { MEBIBYTE, REPOSITORY, type Seed, TAG } from '../seed.ts';
import type { Row } from './row.ts';

const CONNECTIONS = 16;
const DOWNLOADS = 4;

type Request = Pick<RepeatTask, 'method' | 'paths'>;

const MANIFEST_GOALS = { distribution: 5, zot: 3 };

/** Small requests over and over: requests per second. */
export const READS: readonly Row[] = [
  requests('manifest-tag', 'manifest GET by tag', MANIFEST_GOALS, () => ({
    method: 'GET',
    paths: [`/v2/${REPOSITORY}/manifests/${TAG}`],
  })),
  requests('manifest-digest', 'manifest GET by digest', MANIFEST_GOALS, ({ image }) => ({
    method: 'GET',
    paths: [`/v2/${REPOSITORY}/manifests/${image.manifest.digest}`],
  })),
  requests('blob-head', 'blob HEAD', {}, (seed) => ({
    method: 'HEAD',
    paths: [`/v2/${REPOSITORY}/blobs/${seed.layer(1)}`],
  })),
  download(1),
  download(10),
  download(100),
];

function requests(
  id: string,
  title: string,
  goals: Row['goals']['plain'],
  requestOf: (seed: Seed) => Request,
): Row {
  return {
    id,
    title: `${title}, ${CONNECTIONS} connections`,
    unit: 'requests/s',
    higherIsBetter: true,
    operation: 'request',
    goals: { plain: goals, tls: goals },
    isForPeers: true,
    async measure({ driver, seed, quick }, registry) {
      const authorization = await registry.authorization([REPOSITORY], ['pull']);
      const { seconds, operations } = await driver.run({
        kind: 'repeat',
        endpoint: registry.endpoint,
        connections: CONNECTIONS,
        fields: { authorization, accept: seed.image.manifest.mediaType },
        limit: { seconds: quick ? 2 : 4 },
        ...requestOf(seed),
      });
      return { value: operations / seconds, operations };
    },
  };
}

function download(mebibytes: 1 | 10 | 100): Row {
  const goals = mebibytes === 100 ? { plain: { best: 0.9 }, tls: { best: 1 } } : { plain: {}, tls: {} };
  return {
    id: `blob-get-${mebibytes}`,
    title: `blob GET ${mebibytes} MiB, ${DOWNLOADS} connections`,
    unit: 'MB/s',
    higherIsBetter: true,
    operation: 'MiB',
    goals,
    isForPeers: true,
    async measure({ driver, seed, quick }, registry) {
      const authorization = await registry.authorization([REPOSITORY], ['pull']);
      const { seconds, bytes } = await driver.run({
        kind: 'repeat',
        endpoint: registry.endpoint,
        connections: DOWNLOADS,
        method: 'GET',
        paths: [`/v2/${REPOSITORY}/blobs/${seed.layer(mebibytes)}`],
        fields: { authorization },
        limit: { requests: Math.ceil((quick ? 800 : 2_000) / mebibytes) },
      });
      return { value: bytes / seconds / 1e6, operations: bytes / MEBIBYTE };
    },
  };
}
