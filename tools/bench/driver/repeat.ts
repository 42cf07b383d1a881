import { Connection } from './connection.ts';
import { latencyOf } from './latency.ts';
import type { Outcome, RepeatTask } from './messages.ts';
import { expectStatus, headOf, onConnections } from './request.ts';

/** The same requests over and over on several connections. */
export async function repeat(task: RepeatTask): Promise<Outcome> {
  const heads = task.paths.map((path) => headOf(task.endpoint, task.method, path, task.fields));
  const connections = await Promise.all(
    Array.from({ length: task.connections }, () => Connection.open(task.endpoint)),
  );
  const latencies: number[] = [];
  let bytes = 0;
  const startedAt = performance.now();
  const mayGoOn = goOn(task, startedAt);
  let started = 0;
  await onConnections(connections, async (connection, index) => {
    for (let turn = index, at = performance.now(); mayGoOn(started, at); turn++) {
      started += 1;
      const answer = await connection.exchange(heads[turn % heads.length] ?? '');
      if (answer.status !== 200) expectStatus(answer, 200, `${task.method} ${task.paths[0]}`);
      bytes += answer.bodyBytes;
      const endedAt = performance.now();
      latencies.push(endedAt - at);
      at = endedAt;
    }
  });
  const seconds = (performance.now() - startedAt) / 1_000;
  return { seconds, operations: latencies.length, bytes, latency: latencyOf(latencies) };
}

function goOn({ limit }: RepeatTask, startedAt: number): (started: number, now: number) => boolean {
  if ('requests' in limit) return (started) => started < limit.requests;
  const deadline = startedAt + limit.seconds * 1_000;
  return (_started, now) => now < deadline;
}
