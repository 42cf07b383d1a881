import { createHash, randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StoredUpload } from '@sluice/blob-storage';
import { S3BlobStorage } from '@sluice/blob-storage/s3';
import { assert, assertEqual, type Checklist } from '../checklist.ts';
import type { Fault, FaultProxy, SeenRequest } from '../s3-fault-proxy.ts';
import type { S3Server } from '../s3-server.ts';

const MIB = 1_048_576;
const TIMEOUT_SECONDS = 2;
const SIZES = [0, 1_000, 5 * MIB - 1, 8 * MIB, 21 * MIB + 77];

/** Faults of the store that are over after some tries: nobody notices, and the bytes are right. */
const PASSING: readonly {
  readonly title: string;
  readonly plan: (request: SeenRequest) => Fault | undefined;
}[] = [
  { title: '503 SlowDown to every third request', plan: every(3, slowDown) },
  { title: '500 to the first try of every request', plan: firstOfEach(() => answer(500, 'InternalError')) },
  {
    title: 'a connection that breaks in the middle of every part',
    plan: firstOfEach(({ operation }) => bodyOf(operation, { kind: 'cut-request', afterBytes: 100_000 })),
  },
  {
    title: 'a lost answer to every part',
    plan: firstOfEach(({ operation }) => bodyOf(operation, { kind: 'lose-answer' })),
  },
  {
    title: 'a lost answer to CompleteMultipartUpload',
    plan: firstOfEach(only('Complete', { kind: 'lose-answer' })),
  },
  {
    title: 'an answer to CompleteMultipartUpload that comes too late',
    plan: firstOfEach(only('Complete', { kind: 'delay-answer', ms: TIMEOUT_SECONDS * 1_000 + 500 })),
  },
  {
    title: 'a lost answer to CreateMultipartUpload',
    plan: firstOfEach(only('Create', { kind: 'lose-answer' })),
  },
  { title: 'a first try that is never answered', plan: firstOfEach(only('UploadPart', { kind: 'hang' })) },
];

/** What the adapter does when the store in front of `server` fails. */
export async function checkAdapterFaults(
  checklist: Checklist,
  server: S3Server,
  proxy: FaultProxy,
): Promise<void> {
  const storage = await S3BlobStorage.open({
    bucket: server.bucket,
    prefix: 'faults',
    endpoint: proxy.endpoint,
    region: 'us-east-1',
    pathStyle: true,
    accessKey: server.accessKey,
    secretKey: server.secretKey,
    timeoutSeconds: TIMEOUT_SECONDS,
  });
  const lab = new Lab(storage, proxy);
  try {
    for (const { title, plan } of PASSING) {
      await checklist.check(`${server.name}: ${title} is survived`, () => lab.survive(plan));
    }
    await checkLasting(checklist, server, lab);
    await checkReads(checklist, server, lab);
  } finally {
    storage.close();
  }
}

/** Faults that last longer than the patience of the adapter. */
async function checkLasting(checklist: Checklist, server: S3Server, lab: Lab): Promise<void> {
  const { storage, proxy } = lab;
  await checklist.check(
    `${server.name}: a store that refuses parts fails the append and harms nothing`,
    async () => {
      const before = await lab.append(lab.begin(), randomBytes(6 * MIB));
      const rest = randomBytes(12 * MIB);
      proxy.plan = only('UploadPart', slowDown());
      const code = await codeOf(storage.append(before, from(rest)));
      proxy.plan = () => undefined;
      assertEqual(code, 'STORAGE_FAILED', 'what the append fails with');
      assertEqual(await storage.size(before.key), null, 'what is visible');
      const after = await lab.append(before, rest);
      await storage.finish(after);
      assertEqual(await storage.size(after.key), 18 * MIB, 'size after it went on');
    },
  );
  await checklist.check(`${server.name}: a finish whose every answer is lost may be repeated`, async () => {
    const content = randomBytes(13 * MIB);
    const upload = await lab.append(lab.begin(), content);
    proxy.plan = only('Complete', { kind: 'lose-answer' });
    await storage.finish(upload).catch(() => undefined);
    proxy.plan = () => undefined;
    await storage.finish(upload);
    assertEqual(await lab.digest(upload.key), sha256(content), 'content');
  });
  await checklist.check(`${server.name}: a store that does not answer ends the append in time`, async () => {
    proxy.plan = () => ({ kind: 'hang' });
    const startedAt = Date.now();
    const code = await codeOf(storage.append(lab.begin(), from(randomBytes(1_000))));
    proxy.plan = () => undefined;
    const seconds = (Date.now() - startedAt) / 1_000;
    assertEqual(code, 'STORAGE_FAILED', 'what the append fails with');
    assert(seconds < 4 * TIMEOUT_SECONDS, `it took ${seconds} s`);
    return `after ${seconds.toFixed(1)} s`;
  });
}

async function checkReads(checklist: Checklist, server: S3Server, lab: Lab): Promise<void> {
  const { storage, proxy } = lab;
  const content = randomBytes(9 * MIB);
  const { key } = await lab.stored(content);
  const cuts: readonly [string, Fault][] = [
    ['cut', { kind: 'cut-answer', afterBytes: 3 * MIB }],
    ['stalled', { kind: 'stall-answer', afterBytes: 3 * MIB }],
    ['shortened', { kind: 'rewrite', rewrite: (whole) => ({ ...whole, body: whole.body.subarray(0, MIB) }) }],
  ];
  for (const [what, fault] of cuts) {
    await checklist.check(
      `${server.name}: a ${what} GetObject is an error and never a short success`,
      async () => {
        proxy.plan = only('Get', fault);
        const range = { first: 0, last: content.length - 1 };
        const code = await codeOf(storage.read(key, range).then((stream) => drain(stream)));
        proxy.plan = () => undefined;
        assertEqual(code, 'STORAGE_FAILED', 'what the reader gets');
      },
    );
  }
  await checklist.check(
    `${server.name}: a reader that is slower than the time-out gets every byte`,
    async () => {
      const hash = createHash('sha256');
      let pauses = 0;
      for await (const chunk of await storage.read(key)) {
        hash.update(chunk as Buffer);
        if (pauses++ < 2) await sleep(TIMEOUT_SECONDS * 1_000 + 500);
      }
      assertEqual(hash.digest('hex'), sha256(content), 'content');
    },
  );
}

class Lab {
  readonly storage: S3BlobStorage;
  readonly proxy: FaultProxy;

  constructor(storage: S3BlobStorage, proxy: FaultProxy) {
    this.storage = storage;
    this.proxy = proxy;
  }

  begin(): StoredUpload {
    return { key: this.storage.newKey(), offset: 0, state: null };
  }

  async append(upload: StoredUpload, content: Buffer): Promise<StoredUpload> {
    const { offset, state } = await this.storage.append(upload, from(content));
    return { key: upload.key, offset, state };
  }

  /** As one request that brings everything does it. */
  async stored(content: Buffer): Promise<StoredUpload> {
    const { key } = this.begin();
    const first = { key, offset: 0, state: null };
    const { offset, state } = await this.storage.append(first, from(content), { isLast: true });
    const upload = { key, offset, state };
    await this.storage.finish(upload);
    return upload;
  }

  async digest(key: string): Promise<string> {
    return drain(await this.storage.read(key));
  }

  /** Stores objects of every kind under the plan, in one append and in two, and reads them again without it. */
  async survive(plan: (request: SeenRequest) => Fault | undefined): Promise<string> {
    let faults = 0;
    const expected = new Map<string, string>();
    this.proxy.plan = (request) => {
      const fault = plan(request);
      if (fault !== undefined) faults += 1;
      return fault;
    };
    try {
      for (const size of SIZES) {
        const content = randomBytes(size);
        expected.set((await this.stored(content)).key, sha256(content));
        const half = await this.append(this.begin(), content.subarray(0, size / 2));
        const whole = await this.append(half, content.subarray(size / 2));
        await this.storage.finish(whole);
        expected.set(whole.key, sha256(content));
      }
    } finally {
      this.proxy.plan = () => undefined;
    }
    assert(faults > 0, 'the fault never happened');
    for (const [key, digest] of expected) assertEqual(await this.digest(key), digest, 'content');
    return `${expected.size} objects whole after ${faults} faults`;
  }
}

function slowDown(): Fault {
  return answer(503, 'SlowDown');
}

function answer(status: number, code: string): Fault {
  return { kind: 'answer', status, code };
}

function only(
  operation: SeenRequest['operation'],
  fault: Fault,
): (request: SeenRequest) => Fault | undefined {
  return (request) => (request.operation === operation ? fault : undefined);
}

function bodyOf(operation: SeenRequest['operation'], fault: Fault): Fault | undefined {
  return operation === 'UploadPart' || operation === 'Put' ? fault : undefined;
}

function every(nth: number, fault: () => Fault): () => Fault | undefined {
  let seen = 0;
  return () => (++seen % nth === 0 ? fault() : undefined);
}

/** Only the first time that a request is made; the path of a request tells it from others. */
function firstOfEach(
  plan: (request: SeenRequest) => Fault | undefined,
): (request: SeenRequest) => Fault | undefined {
  const seen = new Set<string>();
  return (request) => {
    const name = `${request.method} ${request.path}`;
    if (seen.has(name)) return undefined;
    seen.add(name);
    return plan(request);
  };
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'no error',
    (error: unknown) => (error instanceof Error && 'code' in error ? error.code : error),
  );
}

async function drain(stream: AsyncIterable<unknown>): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of stream) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function* from(content: Buffer): AsyncIterable<Uint8Array> {
  for (let at = 0; at < content.length; at += 65_536) yield content.subarray(at, at + 65_536);
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
