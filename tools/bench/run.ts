/**
 * `npm run bench`: Sluice beside CNCF distribution v3.1.1 on this machine, in one run, as ratios.
 *
 * Sluice answers with Bearer authentication and the gate on; distribution has neither. Both write to the same file
 * system; Sluice syncs blobs to disk before it acknowledges them, distribution syncs as its driver does.
 */
import { randomBytes } from 'node:crypto';
import { cpus } from 'node:os';
import { buildImage, buildLayer } from '@sluice/testing';
import { bearer, pushImage } from '../lib/oci-push.ts';
import { installTools } from '../system/install.ts';
import { ADMIN_PASSWORD, basic, Platform } from '../system/platform.ts';
import { downloadRate, pushSeconds, requestsPerSecond } from './load.ts';
import { DistributionPeer } from './peer.ts';

const REPOSITORY = 'bench/app';
const ROUNDS = 3;

interface Side {
  readonly url: string;
  readonly headers: Record<string, string>;
}

interface Row {
  readonly name: string;
  readonly unit: string;
  readonly higherIsBetter: boolean;
  measure(side: Side): Promise<number>;
}

async function main(): Promise<void> {
  await installTools(['registry', 'wrk']);
  const layer = await buildLayer(
    [
      { path: 'app/node_modules/left-pad/package.json', content: '{"name":"left-pad","version":"1.3.0"}' },
      { path: 'app/data.bin', content: randomBytes(100 * 1_048_576) },
    ],
    'none',
  );
  const image = buildImage([layer]);
  const sluice = await Platform.start();
  const peer = await DistributionPeer.start();
  try {
    await sluice.api('POST', '/projects', { path: REPOSITORY, visibility: 'private' }, { expect: 201 });
    const admin = basic('admin', ADMIN_PASSWORD);
    await pushImage({ url: sluice.url, repository: REPOSITORY, authorization: admin }, image, '1');
    await pushImage({ url: peer.url, repository: REPOSITORY }, image, '1');
    await untilPullable(sluice, admin);

    const rows: Row[] = [
      {
        name: 'manifest GET by tag',
        unit: 'requests/s',
        higherIsBetter: true,
        measure: ({ url, headers }) =>
          requestsPerSecond(
            `${url}/v2/${REPOSITORY}/manifests/1`,
            { ...headers, accept: image.manifest.mediaType },
            6,
          ),
      },
      {
        name: 'blob GET 100 MiB',
        unit: 'MB/s',
        higherIsBetter: true,
        measure: ({ url, headers }) =>
          downloadRate(`${url}/v2/${REPOSITORY}/blobs/${layer.digest}`, headers, 8),
      },
      {
        name: 'push 1 GiB',
        unit: 's',
        higherIsBetter: false,
        measure: ({ url, headers }) => pushSeconds(url, REPOSITORY, 1_073_741_824, headers),
      },
    ];
    console.log(
      `${cpus().length} cores, Node ${process.versions.node}; median of ${ROUNDS} rounds, sides taking turns`,
    );
    const ratios: string[] = [];
    for (const row of rows) ratios.push(await compare(row, sluice, peer, admin));
    console.log(`bench: ${ratios.join(', ')} (Sluice beside distribution v3.1.1)`);
  } finally {
    await peer.stop();
    await sluice.remove();
  }
}

async function compare(row: Row, sluice: Platform, peer: DistributionPeer, admin: string): Promise<string> {
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const authorization = await bearer(sluice.url, admin, `repository:${REPOSITORY}:pull,push`);
    ours.push(await row.measure({ url: sluice.url, headers: { authorization } }));
    theirs.push(await row.measure({ url: peer.url, headers: {} }));
  }
  const [own, other] = [median(ours), median(theirs)];
  const ratio = (row.higherIsBetter ? own / other : other / own).toFixed(2);
  console.log(
    `${row.name.padEnd(22)} Sluice ${own.toFixed(1)} ${row.unit}, distribution ${other.toFixed(1)} ${row.unit}: ${ratio}x`,
  );
  return `${row.name} ${ratio}x`;
}

async function untilPullable(sluice: Platform, authorization: string): Promise<void> {
  for (let attempt = 0; attempt < 10; attempt++) {
    const answer = await fetch(`${sluice.url}/v2/${REPOSITORY}/manifests/1`, { headers: { authorization } });
    if (answer.ok) return;
    if (answer.status !== 429)
      throw new Error(`the bench image is not pullable: ${answer.status} ${await answer.text()}`);
  }
  throw new Error('the bench image stays pending');
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

await main();
