import { getRepeatedly } from '../driver/wrk.ts';
import { MEBIBYTE, REPOSITORY, type Seed, TAG } from '../seed.ts';
import { COMPILING_TURNS, type Row } from './row.ts';

const CONNECTIONS = 16;
const DOWNLOADS = 4;

const MANIFEST_GOALS = { distribution: 5, zot: 3 };

export const READS: readonly Row[] = [
  manifestGet('tag', () => TAG),
  manifestGet('digest', ({ image }) => image.manifest.digest),
  blobHead(),
  download(1),
  download(10),
  download(100),
];

function manifestGet(by: 'tag' | 'digest', referenceOf: (seed: Seed) => string): Row {
  return {
    id: `manifest-${by}`,
    title: `manifest GET by ${by}, ${CONNECTIONS} connections`,
    unit: 'requests/s',
    higherIsBetter: true,
    operation: 'request',
    goals: { plain: MANIFEST_GOALS, tls: MANIFEST_GOALS },
    warmUps: COMPILING_TURNS,
    isForPeers: true,
    async measure({ seed, quick }, registry) {
      const authorization = await registry.authorization([REPOSITORY], ['pull']);
      const { seconds, operations } = await getRepeatedly({
        endpoint: registry.endpoint,
        connections: CONNECTIONS,
        path: `/v2/${REPOSITORY}/manifests/${referenceOf(seed)}`,
        fields: { authorization, accept: seed.image.manifest.mediaType },
        seconds: secondsOf(quick),
      });
      return { value: operations / seconds, operations };
    },
  };
}

function blobHead(): Row {
  return {
    id: 'blob-head',
    title: `blob HEAD, ${CONNECTIONS} connections`,
    unit: 'requests/s',
    higherIsBetter: true,
    operation: 'request',
    goals: { plain: {}, tls: {} },
    warmUps: COMPILING_TURNS,
    isForPeers: true,
    async measure({ driver, seed, quick }, registry) {
      const authorization = await registry.authorization([REPOSITORY], ['pull']);
      const { seconds, operations } = await driver.run({
        kind: 'repeat',
        endpoint: registry.endpoint,
        connections: CONNECTIONS,
        // wrk waits for the body that the answer to a HEAD announces.
        method: 'HEAD',
        paths: [`/v2/${REPOSITORY}/blobs/${seed.layer(1)}`],
        fields: { authorization },
        limit: { seconds: secondsOf(quick) },
      });
      return { value: operations / seconds, operations };
    },
  };
}

function secondsOf(quick: boolean): number {
  return quick ? 2 : 4;
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
        limit: { requests: Math.ceil((quick ? 800 : 4_000) / mebibytes) },
      });
      return { value: bytes / seconds / 1e6, operations: bytes / MEBIBYTE };
    },
  };
}
