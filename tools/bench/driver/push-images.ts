import { createHash, randomBytes } from 'node:crypto';
import { buildLayer } from '@sluice/testing';
import { Connection, type Endpoint } from './connection.ts';
import type { Fields, Outcome, PushImagesTask } from './messages.ts';
import { finishUpload, startUpload } from './push-blobs.ts';
import { expectStatus, headOf, onConnections } from './request.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar';

interface Blob {
  readonly bytes: Buffer;
  readonly digest: string;
}

export interface SmallImage {
  readonly blobs: readonly Blob[];
  readonly manifest: Buffer;
  readonly tag: string;
}

/** Every client pushes its images one after another, as containerd does. */
export async function pushImages(task: PushImagesTask): Promise<Outcome> {
  const images = await imagesOf(task.clients.length, task.imagesEach, task.layerBytes);
  const connections = await Promise.all(task.clients.map(() => Connection.open(task.endpoint)));
  let operations = 0;
  const startedAt = performance.now();
  await onConnections(connections, async (connection, index) => {
    const client = task.clients[index];
    if (client === undefined) return;
    for (const image of images[index] ?? []) {
      await pushImage(connection, task.endpoint, client, image);
      operations += 1;
    }
  });
  return { seconds: (performance.now() - startedAt) / 1_000, operations, bytes: 0 };
}

/** So many images for each client. */
export function imagesOf(
  clients: number,
  imagesEach: number,
  layerBytes: readonly number[],
): Promise<SmallImage[][]> {
  return Promise.all(
    Array.from({ length: clients }, (_, client) =>
      Promise.all(
        Array.from({ length: imagesEach }, (_each, image) => smallImage(layerBytes, `${client}-${image}`)),
      ),
    ),
  );
}

/** HEAD, POST and PUT of every blob, then HEAD and PUT of the manifest. */
export async function pushImage(
  connection: Connection,
  endpoint: Endpoint,
  client: { readonly repository: string; readonly fields: Fields },
  image: SmallImage,
): Promise<void> {
  const { repository, fields } = client;
  for (const blob of image.blobs) {
    const probe = headOf(endpoint, 'HEAD', `/v2/${repository}/blobs/${blob.digest}`, fields);
    expectStatus(await connection.exchange(probe), 404, 'HEAD of a blob that is not there');
    const location = await startUpload(connection, { endpoint }, client);
    await finishUpload(connection, { endpoint }, fields, location, blob.digest, blob.bytes);
  }
  const path = `/v2/${repository}/manifests/${image.tag}`;
  const probe = headOf(endpoint, 'HEAD', path, { ...fields, accept: MANIFEST });
  expectStatus(await connection.exchange(probe), 404, 'HEAD of a manifest that is not there');
  const put = headOf(endpoint, 'PUT', path, { ...fields, 'content-type': MANIFEST }, image.manifest.length);
  expectStatus(await connection.exchange(put, image.manifest), 201, 'PUT of a manifest');
}

/** An image that nobody has: layers with a file of random bytes, and a config that names them. */
export async function smallImage(layerBytes: readonly number[], tag: string): Promise<SmallImage> {
  const layers = await Promise.all(
    layerBytes.map((size, index) =>
      buildLayer([{ path: `app/part-${index}.bin`, content: randomBytes(size) }], 'none'),
    ),
  );
  const config = blobOf(
    Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        config: { Env: ['PATH=/usr/local/bin:/usr/bin:/bin'], Cmd: ['/app'] },
        rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
        history: layers.map((_, index) => ({ created_by: `COPY part-${index} /app` })),
      }),
    ),
  );
  const descriptor = (mediaType: string, { bytes, digest }: Blob) => ({
    mediaType,
    digest,
    size: bytes.length,
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: descriptor(CONFIG, config),
      layers: layers.map((layer) => descriptor(LAYER, layer)),
    }),
  );
  return { blobs: [...layers, config], manifest, tag };
}

function blobOf(bytes: Buffer): Blob {
  return { bytes, digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}` };
}
