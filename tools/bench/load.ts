import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { run } from '../system/run.ts';

/** Requests per second of one GET, measured by wrk with 16 connections on one thread. */
export async function requestsPerSecond(
  url: string,
  headers: Record<string, string>,
  seconds: number,
): Promise<number> {
  const args = [
    '-t1',
    '-c16',
    `-d${seconds}s`,
    ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    url,
  ];
  const { stdout } = await run('wrk', args);
  if (/Non-2xx/.test(stdout)) throw new Error(`wrk saw refusals:\n${stdout}`);
  const [, figure] = /Requests\/sec:\s+([\d.]+)/.exec(stdout) ?? [];
  if (figure === undefined) throw new Error(`wrk printed no figure:\n${stdout}`);
  return Number(figure);
}

/** Megabytes per second of downloading one URL `times` times in a row on one connection. */
export async function downloadRate(
  url: string,
  headers: Record<string, string>,
  times: number,
): Promise<number> {
  let bytes = 0;
  const startedAt = performance.now();
  for (let i = 0; i < times; i++) bytes += await drain(url, headers);
  return bytes / 1e6 / ((performance.now() - startedAt) / 1_000);
}

function drain(url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { headers }, (answer) => {
      if (answer.statusCode !== 200) {
        answer.resume();
        reject(new Error(`GET ${url}: ${answer.statusCode}`));
        return;
      }
      let bytes = 0;
      answer.on('data', (chunk: Buffer) => (bytes += chunk.length));
      answer.on('end', () => resolve(bytes));
      answer.on('error', reject);
    })
      .on('error', reject)
      .end();
  });
}

/** Seconds for one push of `sizeBytes` fresh bytes: POST, one streamed PATCH, PUT. */
export async function pushSeconds(
  registry: string,
  repository: string,
  sizeBytes: number,
  headers: Record<string, string>,
): Promise<number> {
  const block = randomBytes(4 * 1_048_576);
  const hash = createHash('sha256');
  const blocks = sizeBytes / block.length;
  // Only the counter differs from block to block: making fresh random bytes would cost more than pushing them.
  const blockAt = (index: number): Buffer => {
    block.writeUInt32BE(index, 0);
    return Buffer.from(block);
  };
  for (let i = 0; i < blocks; i++) hash.update(blockAt(i));
  const digest = `sha256:${hash.digest('hex')}`;

  const startedAt = performance.now();
  const start = await fetch(`${registry}/v2/${repository}/blobs/uploads/`, { method: 'POST', headers });
  if (start.status !== 202) throw new Error(`POST: ${start.status}`);
  const location = new URL(start.headers.get('location') ?? '', registry);
  const patched = await streamBody(location, headers, sizeBytes, blocks, blockAt);
  const commit = new URL(patched, registry);
  commit.searchParams.set('digest', digest);
  const done = await fetch(commit, { method: 'PUT', headers });
  if (done.status !== 201) throw new Error(`PUT: ${done.status} ${await done.text()}`);
  return (performance.now() - startedAt) / 1_000;
}

function streamBody(
  location: URL,
  headers: Record<string, string>,
  sizeBytes: number,
  blocks: number,
  blockAt: (index: number) => Buffer,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const patch = request(
      location,
      {
        method: 'PATCH',
        headers: { ...headers, 'content-type': 'application/octet-stream', 'content-length': sizeBytes },
      },
      (answer) => {
        answer.resume();
        if (answer.statusCode === 202) resolve(answer.headers.location ?? '');
        else reject(new Error(`PATCH: ${answer.statusCode}`));
      },
    );
    patch.on('error', reject);
    void (async () => {
      for (let i = 0; i < blocks; i++) {
        if (!patch.write(blockAt(i))) await new Promise((drained) => patch.once('drain', drained));
      }
      patch.end();
    })();
  });
}
