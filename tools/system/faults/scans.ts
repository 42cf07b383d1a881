import { request } from 'node:http';
import { assert, assertEqual, type Checklist } from '../checklist.ts';
import { AUTHORIZATION, freshImage, type Lab, REPOSITORY } from './lab.ts';

/** Reached after the push was acknowledged. */
const POINTS = ['scan.claimed', 'scan.layer-recorded', 'scan.before-evidence', 'scan.after-evidence'];
const SHORT = ['scan.before-evidence'];

/** Kills the process at every step of a scan: the job is taken over, and the image is scanned once and judged. */
export async function checkScans(checklist: Checklist, lab: Lab, isShort: boolean): Promise<void> {
  for (const point of isShort ? SHORT : POINTS) {
    await checklist.check(`kill -9 at ${point}`, async () => {
      const tag = point.replace('.', '-');
      const image = await freshImage();
      await lab.arm(point);
      assert(await lab.push(image, tag), 'the push is not acknowledged');
      await lab.restart();
      await lab.checkAcknowledged();
      await untilScanned(lab, tag);
      return 'taken over and judged';
    });
  }
}

export async function checkShutdown(checklist: Checklist, lab: Lab): Promise<void> {
  await checklist.check(
    'SIGTERM lets a running upload finish, and it goes on after the restart',
    async () => {
      const start = await lab.request('POST', `/v2/${REPOSITORY}/blobs/uploads/`);
      const location = new URL(start.headers.get('location') ?? '', lab.platform.url);
      const sending = sendSlowly(location, 8, 100_000);
      await new Promise((resolve) => setTimeout(resolve, 700));
      const stopped = lab.platform.stop();
      assertEqual(await sending, 202, 'answer to the upload under way');
      await stopped;
      await lab.platform.launch();
      const status = await fetch(location, { headers: { authorization: AUTHORIZATION } });
      assertEqual([status.status, status.headers.get('range')], [204, '0-799999'], 'the upload afterwards');
    },
  );
}

/** Sends a PATCH of so many chunks, a quarter of a second apart; resolves with its status. */
function sendSlowly(location: URL, chunks: number, chunkBytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: AUTHORIZATION, 'content-type': 'application/octet-stream' };
    const patch = request(location, { method: 'PATCH', headers }, (answer) => {
      answer.resume();
      resolve(answer.statusCode ?? 0);
    });
    patch.on('error', reject);
    let sent = 0;
    const timer = setInterval(() => {
      patch.write(Buffer.alloc(chunkBytes));
      if (++sent < chunks) return;
      clearInterval(timer);
      patch.end();
    }, 250);
  });
}

async function untilScanned({ platform }: Lab, tag: string): Promise<void> {
  const { body } = await platform.api<{ id: string }>('GET', `/resolve?ref=${REPOSITORY}:${tag}`);
  const deadline = Date.now() + 90_000;
  for (;;) {
    const evidence = await platform.api<{ items: { kind: string }[] }>(
      'GET',
      `/artifacts/${body.id}/evidence`,
    );
    const verdict = await platform.api<{ state: string }>('GET', `/artifacts/${body.id}/verdict`);
    const open = await platform.api<{ items: unknown[] }>('GET', '/jobs?state=queued,running&limit=1');
    const scanned = evidence.body.items.some(({ kind }) => kind === 'scan');
    if (scanned && verdict.body.state !== 'pending' && open.body.items.length === 0) return;
    assert(
      Date.now() < deadline,
      `not scanned or judged 90 s after the restart (verdict ${verdict.body.state})`,
    );
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
