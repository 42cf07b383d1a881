import { createHash, createHmac } from 'node:crypto';

export interface S3Account {
  /** `http://host:port`. */
  readonly endpoint: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

const REGION = 'us-east-1';
const EMPTY = createHash('sha256').digest('hex');

/**
 * Asks an S3 server with a Signature Version 4 of our own, so that tests look at the store by another way than the
 * product does. `path` is `/bucket/key` with nothing in it that needs escaping.
 */
export async function s3Request(
  account: S3Account,
  method: string,
  path: string,
  query: Readonly<Record<string, string>> = {},
): Promise<{ readonly status: number; readonly body: string }> {
  const { host } = new URL(account.endpoint);
  const at = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const scope = `${at.slice(0, 8)}/${REGION}/s3/aws4_request`;
  const search = Object.entries(query)
    .map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`)
    .toSorted()
    .join('&');
  const headers = { host, 'x-amz-content-sha256': EMPTY, 'x-amz-date': at };
  const signed = Object.keys(headers).join(';');
  const canonical = [
    method,
    path,
    search,
    ...Object.entries(headers).map(([name, value]) => `${name}:${value}`),
    '',
    signed,
    EMPTY,
  ].join('\n');
  const text = ['AWS4-HMAC-SHA256', at, scope, createHash('sha256').update(canonical).digest('hex')].join(
    '\n',
  );
  const key = scope
    .split('/')
    .reduce<Buffer>((secret, part) => hmac(secret, part), Buffer.from(`AWS4${account.secretKey}`));
  const answer = await fetch(`${account.endpoint}${path}${search === '' ? '' : `?${search}`}`, {
    method,
    headers: {
      'x-amz-content-sha256': EMPTY,
      'x-amz-date': at,
      authorization: `AWS4-HMAC-SHA256 Credential=${account.accessKey}/${scope}, SignedHeaders=${signed}, Signature=${hmac(key, text).toString('hex')}`,
    },
  });
  return { status: answer.status, body: await answer.text() };
}

/** Makes a bucket; one that is there already is no error. */
export async function createBucket(account: S3Account, bucket: string): Promise<void> {
  const { status, body } = await s3Request(account, 'PUT', `/${bucket}`);
  if (status !== 200 && !body.includes('BucketAlreadyOwnedByYou')) {
    throw new Error(`the S3 server does not make the bucket: ${status} ${body}`);
  }
}

/** Keys of all objects and of all unfinished multipart uploads of a bucket. */
export async function listBucket(
  account: S3Account,
  bucket: string,
): Promise<{ readonly objects: string[]; readonly uploads: string[] }> {
  return {
    objects: await listKeys(
      account,
      bucket,
      { 'list-type': '2' },
      'continuation-token',
      'NextContinuationToken',
    ),
    uploads: await listKeys(account, bucket, { uploads: '' }, 'key-marker', 'NextKeyMarker'),
  };
}

async function listKeys(
  account: S3Account,
  bucket: string,
  query: Readonly<Record<string, string>>,
  marker: string,
  next: string,
): Promise<string[]> {
  const keys: string[] = [];
  for (let from: string | undefined; ;) {
    const { status, body } = await s3Request(account, 'GET', `/${bucket}`, {
      ...query,
      ...(from === undefined ? {} : { [marker]: from }),
    });
    if (status !== 200) throw new Error(`the S3 server does not list the bucket: ${status} ${body}`);
    for (const [, key = ''] of body.matchAll(/<Key>([^<]*)<\/Key>/g)) keys.push(key);
    from = new RegExp(`<${next}>([^<]+)</${next}>`).exec(body)?.[1];
    if (!body.includes('<IsTruncated>true</IsTruncated>') || from === undefined) return keys;
  }
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
