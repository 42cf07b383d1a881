import { randomBytes } from 'node:crypto';
import { buildImage, buildLayer, type Image } from '@sluice/testing';
import { Connection } from './driver/connection.ts';
import { finishUpload, startUpload } from './driver/push-blobs.ts';
import { expectStatus, headOf } from './driver/request.ts';
import { PROJECT, type Registry } from './registries/registry.ts';

export const MEBIBYTE = 1_048_576;
export const REPOSITORY = `${PROJECT}/app`;
export const TAG = '1.0';

/** What is pulled: one image with layers of 1, 10 and 100 MiB. */
export interface Seed {
  readonly image: Image;
  /** Digest of the layer of so many MiB. */
  layer(mebibytes: 1 | 10 | 100): string;
}

export async function buildSeed(): Promise<Seed> {
  const sizes = [1, 10, 100] as const;
  const layers = await Promise.all(
    sizes.map((size) =>
      buildLayer(
        [
          {
            path: `app/node_modules/part-${size}/package.json`,
            content: JSON.stringify({ name: `bench-part-${size}`, version: '1.3.0' }),
          },
          { path: `app/data-${size}.bin`, content: randomBytes(size * MEBIBYTE) },
        ],
        'none',
      ),
    ),
  );
  return { image: buildImage(layers), layer: (size) => layers[sizes.indexOf(size)]?.digest ?? '' };
}

/** Pushes the image and waits until it can be pulled. */
export async function plant({ image }: Seed, registry: Registry): Promise<void> {
  await registry.prepare();
  const { endpoint } = registry;
  const fields = { authorization: await registry.authorization([REPOSITORY], ['pull', 'push']) };
  const connection = await Connection.open(endpoint);
  try {
    for (const { bytes, digest } of [...image.layers, image.config]) {
      const location = await startUpload(connection, { endpoint }, { repository: REPOSITORY, fields });
      await finishUpload(connection, { endpoint }, fields, location, digest, bytes);
    }
    const { bytes, mediaType } = image.manifest;
    const head = headOf(
      endpoint,
      'PUT',
      `/v2/${REPOSITORY}/manifests/${TAG}`,
      { ...fields, 'content-type': mediaType },
      bytes.length,
    );
    expectStatus(await connection.exchange(head, bytes), 201, 'PUT of the manifest');
  } finally {
    connection.close();
  }
  await registry.settle(REPOSITORY, TAG);
}
