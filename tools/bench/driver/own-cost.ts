import type { Driver } from './driver.ts';
import { startTrivialServer } from './trivial-server.ts';
import { getRepeatedly } from './wrk.ts';

/** CPU microseconds that one small request over plain HTTP costs whoever sends it. */
export interface OwnCost {
  readonly driver: number;
  readonly wrk: number;
}

export async function ownCostOf(driver: Driver): Promise<OwnCost> {
  const server = await startTrivialServer();
  try {
    const { endpoint } = server;
    const fields = { authorization: `Bearer ${'x'.repeat(600)}` };
    const task = { kind: 'repeat', endpoint, connections: 16, method: 'GET', paths: ['/'], fields } as const;
    await driver.run({ ...task, limit: { seconds: 1 } });
    const own = await driver.run({ ...task, limit: { seconds: 2 } });
    const wrk = await getRepeatedly({ endpoint, connections: 16, path: '/', fields, seconds: 2 });
    return { driver: microsecondsEach(own), wrk: microsecondsEach(wrk) };
  } finally {
    await server.stop();
  }
}

function microsecondsEach(outcome: { readonly cpuSeconds: number; readonly operations: number }): number {
  return (outcome.cpuSeconds / outcome.operations) * 1e6;
}
