import { randomUUID } from 'node:crypto';
import { PART_BYTES_MIN } from './part-sizes.ts';
import type { S3Options } from './s3-options.ts';

/**
 * A place of its own in the bucket of a real S3 server, from SLUICE_TEST_S3_URL (`s3://bucket?endpoint=http://...`),
 * SLUICE_TEST_S3_ACCESS_KEY and SLUICE_TEST_S3_SECRET_KEY; null when there is none.
 */
export function s3TestOptions(): S3Options | null {
  const text = process.env['SLUICE_TEST_S3_URL'];
  if (text === undefined) return null;
  const url = new URL(text);
  return {
    bucket: url.hostname,
    prefix: `specs/${randomUUID()}`,
    endpoint: url.searchParams.get('endpoint') ?? undefined,
    region: 'us-east-1',
    pathStyle: true,
    accessKey: process.env['SLUICE_TEST_S3_ACCESS_KEY'] ?? '',
    secretKey: process.env['SLUICE_TEST_S3_SECRET_KEY'] ?? '',
    partBytes: PART_BYTES_MIN,
  };
}
