import { S3BlobStorage } from '@sluice/blob-storage/s3';
import { assert, type Checklist } from '../checklist.ts';
import type { Answer, Fault, FaultProxy, SeenRequest } from '../s3-fault-proxy.ts';
import type { S3Server } from '../s3-server.ts';

interface Lie {
  readonly title: string;
  /** Of the refusal. */
  readonly message: RegExp;
  readonly plan: (request: SeenRequest) => Fault | undefined;
}

/** Stores that take everything and lose something. Each was seen in the wild, or follows from leaving a step out. */
const LIES: readonly Lie[] = [
  {
    title: 'keeps the aws-chunked framing as content',
    message: /keeps the aws-chunked framing of an upload as content/,
    plan: ({ operation }) => (operation === 'Get' ? rewrite(framed) : undefined),
  },
  {
    title: 'ignores ranges',
    message: /ignores ranges/,
    plan: ({ operation, headers }) =>
      operation === 'Get' && headers.range !== undefined
        ? rewrite((answer) => ({ ...answer, status: 200 }))
        : undefined,
  },
  {
    title: 'loses a part of a multipart upload',
    message: /loses parts of multipart uploads/,
    plan: ({ operation, path }) =>
      operation === 'Get' && path.includes('/upload')
        ? rewrite((answer) => ({ ...answer, body: answer.body.subarray(0, -3) }))
        : undefined,
  },
  {
    title: 'takes content under a wrong checksum',
    message: /accepts content with a wrong Content-MD5/,
    plan: ({ headers }) =>
      headers['content-md5'] === undefined
        ? undefined
        : rewrite(() => ({ status: 200, headers: { etag: '"1"' }, body: Buffer.alloc(0) })),
  },
  {
    title: 'completes with parts that were replaced',
    message: /completes a multipart upload with parts that were replaced/,
    plan: ({ operation }) =>
      operation === 'Complete'
        ? rewrite(() => ({
            status: 200,
            headers: { 'content-type': 'application/xml' },
            body: Buffer.from(
              '<CompleteMultipartUploadResult><ETag>"1-2"</ETag></CompleteMultipartUploadResult>',
            ),
          }))
        : undefined,
  },
  {
    title: 'knows no ListMultipartUploads',
    message: /cannot be used: cannot list the uploads.*NotImplemented/,
    plan: ({ operation, path }) =>
      operation === 'List' && path.includes('uploads')
        ? { kind: 'answer', status: 501, code: 'NotImplemented' }
        : undefined,
  },
  {
    title: 'refuses the keys',
    message: /cannot be used: cannot reach the bucket: the object store refuses the credentials/,
    plan: () => ({ kind: 'answer', status: 403, code: 'InvalidAccessKeyId' }),
  },
];

/** The probe at start refuses a store that lies, and says what it did. */
export async function checkLies(checklist: Checklist, server: S3Server, proxy: FaultProxy): Promise<void> {
  for (const { title, message, plan } of LIES) {
    await checklist.check(`a store that ${title} is refused at start`, async () => {
      proxy.plan = plan;
      try {
        const said = await open(server, proxy);
        assert(message.test(said), `the refusal says: ${said}`);
        return said;
      } finally {
        proxy.plan = () => undefined;
      }
    });
  }
}

/** What the probe says. */
async function open(server: S3Server, proxy: FaultProxy): Promise<string> {
  try {
    const storage = await S3BlobStorage.open({
      bucket: server.bucket,
      prefix: 'lies',
      endpoint: proxy.endpoint,
      region: 'us-east-1',
      pathStyle: true,
      accessKey: server.accessKey,
      secretKey: server.secretKey,
      timeoutSeconds: 5,
    });
    storage.close();
    return 'nothing: it was accepted';
  } catch (error) {
    return (error as Error).message;
  }
}

function rewrite(change: (answer: Answer) => Answer): Fault {
  return { kind: 'rewrite', rewrite: change };
}

function framed(answer: Answer): Answer {
  const { body } = answer;
  const signature = 'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648';
  const parts = [`${body.length.toString(16)};chunk-signature=${signature}\r\n`, body, '\r\n0\r\n\r\n'];
  return { ...answer, body: Buffer.concat(parts.map((part) => Buffer.from(part))) };
}
