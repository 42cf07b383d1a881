import { describe, expect, it } from 'vitest';
import { BlobStoreFault, parseBlobStore } from './blob-store.ts';

const AMAZON = {
  kind: 's3',
  bucket: 'acme-blobs',
  prefix: '',
  endpoint: undefined,
  publicEndpoint: undefined,
  region: 'us-east-1',
  pathStyle: true,
};

describe('SLUICE_BLOB_STORE', () => {
  it.each([
    ['file:///var/lib/sluice', { kind: 'directory', path: '/var/lib/sluice' }],
    ['s3://acme-blobs', AMAZON],
    ['s3://acme-blobs/', AMAZON],
    ['s3://acme-blobs/a/b/?region=eu-central-1', { ...AMAZON, prefix: 'a/b', region: 'eu-central-1' }],
    [
      's3://acme-blobs/x?endpoint=http://ceph:7480&publicEndpoint=https://s3.example.com&pathStyle=false',
      {
        ...AMAZON,
        prefix: 'x',
        endpoint: 'http://ceph:7480',
        publicEndpoint: 'https://s3.example.com',
        pathStyle: false,
      },
    ],
    [
      's3://acme-blobs?endpoint=https%3A%2F%2Fs3.example.com%2F',
      { ...AMAZON, endpoint: 'https://s3.example.com' },
    ],
  ])('reads %s', (text, expected) => {
    expect(parseBlobStore(text)).toEqual(expected);
  });

  it.each([
    ['blobs', /file:\/\/\/directory or s3:\/\/bucket/],
    ['https://s3.example.com/bucket', /file:\/\/\/directory or s3:\/\/bucket/],
    ['file://host/directory', /file:\/\/\/directory/],
    ['s3:///prefix', /name of a bucket/],
    ['s3://Acme', /name of a bucket/],
    ['s3://acme-blobs:9000/x', /no port/],
    ['s3://key:secret@acme-blobs', /SLUICE_S3_ACCESS_KEY/],
    ['s3://acme-blobs/a b', /prefix of letters/],
    ['s3://acme-blobs/a//b', /prefix of letters/],
    [
      's3://acme-blobs?endPoint=http://x',
      /"endPoint" is no parameter of s3:\/\/: expected endpoint, publicEndpoint/,
    ],
    ['s3://acme-blobs?endpoint=ceph:7480', /endpoint=https:\/\/host:port/],
    ['s3://acme-blobs?endpoint=http://ceph:7480/path', /without a path/],
    ['s3://acme-blobs?publicEndpoint=ftp://x', /publicEndpoint=https:\/\/host:port/],
    ['s3://acme-blobs?region=a&region=b', /region only once/],
    ['s3://acme-blobs?region=', /a region such as/],
    ['s3://acme-blobs?pathStyle=yes', /pathStyle=true or false/],
  ])('refuses %s and says what is allowed', (text, message) => {
    expect(() => parseBlobStore(text)).toThrow(BlobStoreFault);
    expect(() => parseBlobStore(text)).toThrow(message);
  });
});
