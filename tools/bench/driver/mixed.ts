import { Connection } from './connection.ts';
import type { MixedTask, Outcome } from './messages.ts';
import { imagesOf, pushImage } from './push-images.ts';
import { expectStatus, headOf, onConnections } from './request.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';

/** Three pulls of one image and one push of a small one, in turn, by every client. */
export async function mixed(task: MixedTask): Promise<Outcome> {
  const { endpoint, pulled, pulledFrom, clients } = task;
  const base = `/v2/${pulledFrom.repository}`;
  const accepting = { ...pulledFrom.fields, accept: MANIFEST };
  const pull = [
    headOf(endpoint, 'HEAD', `${base}/manifests/${pulled.tag}`, accepting),
    headOf(endpoint, 'GET', `${base}/manifests/${pulled.digest}`, accepting),
    ...pulled.blobs.map((digest) => headOf(endpoint, 'GET', `${base}/blobs/${digest}`, pulledFrom.fields)),
  ];
  const images = await imagesOf(clients.length, Math.ceil(task.operationsEach / 4), task.layerBytes);
  const connections = await Promise.all(clients.map(() => Connection.open(endpoint)));
  let [operations, bytes] = [0, 0];
  const startedAt = performance.now();
  await onConnections(connections, async (connection, index) => {
    const client = clients[index];
    for (let turn = 0; client !== undefined && turn < task.operationsEach; turn++) {
      const image = turn % 4 === 3 ? images[index]?.[(turn - 3) / 4] : undefined;
      if (image === undefined) {
        for (const head of pull) {
          bytes += expectStatus(await connection.exchange(head), 200, head.slice(0, 120)).bodyBytes;
        }
      } else {
        await pushImage(connection, endpoint, client, image);
      }
      operations += 1;
    }
  });
  return { seconds: (performance.now() - startedAt) / 1_000, operations, bytes };
}
