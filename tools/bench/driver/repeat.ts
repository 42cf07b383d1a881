import { Connection } from './connection.ts';
import type { Outcome, RepeatTask } from './messages.ts';
import { expectStatus, headOf, onConnections } from './request.ts';

/** The same requests over and over on several connections. */
export async function repeat(task: RepeatTask): Promise<Outcome> {
  const heads = task.paths.map((path) => headOf(task.endpoint, task.method, path, task.fields));
  const connections = await Promise.all(
    Array.from({ length: task.connections }, () => Connection.open(task.endpoint)),
  );
  let [started, ended, bytes] = [0, 0, 0];
  const limit = limitOf(task);
  const startedAt = performance.now();
  await onConnections(connections, async (connection, index) => {
    for (let turn = index; limit.allows(started); turn++) {
      started += 1;
      const answer = await connection.exchange(heads[turn % heads.length] ?? '');
      if (answer.status !== 200) expectStatus(answer, 200, `${task.method} ${task.paths[0]}`);
      bytes += answer.bodyBytes;
      ended += 1;
    }
  });
  return { seconds: (performance.now() - startedAt) / 1_000, operations: ended, bytes };
}

/** Whether one more request may start; a timer, because asking for the time would cost every request a little. */
function limitOf({ limit }: RepeatTask): { allows(started: number): boolean } {
  if ('requests' in limit) return { allows: (started) => started < limit.requests };
  let isOver = false;
  setTimeout(() => (isOver = true), limit.seconds * 1_000);
  return { allows: () => !isOver };
}
