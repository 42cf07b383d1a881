import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterEach, describe, expect, it } from 'vitest';
import { createClient } from './s3-client.ts';

/** Answers with these codes of an error, one after the other, and with success after them. */
async function storeThatSays(...codes: readonly string[]) {
  const left = [...codes];
  const server = createServer((request, response) => {
    request.resume().once('end', () => {
      const code = left.shift();
      if (code === undefined) return response.writeHead(200).end();
      const body = `<Error><Code>${code}</Code><Message>no</Message></Error>`;
      return response.writeHead(409, { 'content-type': 'application/xml' }).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const client = createClient({
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    bucket: 'b',
    prefix: '',
    region: 'us-east-1',
    pathStyle: true,
    accessKey: 'a',
    secretKey: 's',
  });
  stops.push(async () => {
    client.destroy();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const put = () => client.send(new PutObjectCommand({ Bucket: 'b', Key: 'k', Body: 'x' }));
  return { put, left };
}

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

describe('a request that conflicts with one of somebody else', () => {
  it.each(['OperationAborted', 'ExistingObjectIsDirectory'])('is tried again after %s', async (code) => {
    const store = await storeThatSays(code, code);
    await expect(store.put()).resolves.toBeDefined();
    expect(store.left).toEqual([]);
  });

  it('is not tried again after a 409 that stays', async () => {
    const store = await storeThatSays('BucketAlreadyExists', 'BucketAlreadyExists');
    await expect(store.put()).rejects.toThrow();
    expect(store.left).toHaveLength(1);
  });
});
