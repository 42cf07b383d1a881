import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { buildImage } from './image.ts';
import { buildLayer, sha256 } from './layer.ts';

describe('a built image', () => {
  it('names its layers by digest and its config names them by DiffID', async () => {
    const layer = await buildLayer([
      { path: 'etc/', directory: true },
      { path: 'etc/os-release', content: 'ID=debian\n' },
    ]);
    const image = buildImage([layer]);
    expect(layer.diffId).toBe(sha256(gunzipSync(layer.bytes)));
    expect(JSON.parse(image.config.bytes.toString()).rootfs.diff_ids).toEqual([layer.diffId]);
    expect(JSON.parse(image.manifest.bytes.toString()).layers[0].digest).toBe(sha256(layer.bytes));
  });

  it('is the same for the same entries', async () => {
    const entries = [{ path: 'a', content: 'b' }];
    expect((await buildLayer(entries, 'none')).digest).toBe((await buildLayer(entries, 'none')).digest);
  });
});
