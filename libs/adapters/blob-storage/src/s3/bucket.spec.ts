import { afterAll, describe, expect, it } from 'vitest';
import { Bucket } from './bucket.ts';

describe('a signed URL', () => {
  const options = {
    bucket: 'blobs',
    prefix: '',
    endpoint: 'https://store.internal:9000',
    region: 'eu-central-1',
    pathStyle: true,
    accessKey: 'access',
    secretKey: 'secret',
  };
  const buckets = [new Bucket(options), new Bucket({ ...options, publicEndpoint: 'https://s3.example.com' })];
  afterAll(() => buckets.forEach((bucket) => bucket.close()));

  it.each([
    [0, 'https://store.internal:9000'],
    [1, 'https://s3.example.com'],
  ])('%i names the store as clients reach it: %s', async (index, origin) => {
    const url = new URL((await buckets[index]?.signedUrl('a/b', 300)) ?? '');
    expect(url.origin + url.pathname).toBe(`${origin}/blobs/a/b`);
  });

  it('ends after the seconds, needs no header but Host, and says each parameter once', async () => {
    for (const bucket of buckets) {
      const { searchParams } = new URL(await bucket.signedUrl('a/b', 300));
      expect(searchParams.get('X-Amz-Expires')).toBe('300');
      expect(searchParams.get('X-Amz-SignedHeaders')).toBe('host');
      const names = [...searchParams.keys()].map((name) => name.toLowerCase());
      expect(new Set(names).size).toBe(names.length);
      expect(names).not.toContain('x-amz-checksum-mode');
    }
  });
});
