import { fileURLToPath } from 'node:url';
import { run } from '../../system/run.ts';
import { Connection, type Endpoint } from './connection.ts';
import type { Fields, Outcome } from './messages.ts';
import { expectStatus, headOf } from './request.ts';

export interface WrkTask {
  readonly endpoint: Endpoint;
  readonly connections: number;
  readonly path: string;
  readonly fields: Fields;
  readonly seconds: number;
}

interface WrkReport {
  readonly requests: number;
  readonly microseconds: number;
  readonly bytes: number;
  readonly cpuSeconds: number;
  readonly failed: number;
}

const SCRIPT = fileURLToPath(new URL('wrk-report.lua', import.meta.url));
/** Answers that were under way at the end are counted in bytes but not as requests. */
const BYTES_LEEWAY = 0.01;

/**
 * The same small GET over and over, sent by wrk: at these rates a driver in JavaScript takes a third of the machine from
 * what it is to measure, over TLS half as much again as wrk.
 *
 * wrk looks at the status alone, so the answer is fetched once before, and all have to be as long as that one.
 *
 * @throws Error when an answer is not 200, or another one
 */
export async function getRepeatedly(task: WrkTask): Promise<Outcome & { readonly cpuSeconds: number }> {
  const { endpoint, connections, path, fields, seconds } = task;
  const answerBytes = await answerLength(task);
  const url = `${endpoint.certificate === null ? 'http' : 'https'}://${endpoint.host}:${endpoint.port}${path}`;
  const headers = Object.entries(fields).flatMap(([name, value]) => ['-H', `${name}: ${value}`]);
  const limits = ['-t1', `-c${connections}`, `-d${seconds}s`];
  const { stdout } = await run('wrk', [...limits, ...headers, '-s', SCRIPT, url]);
  const report = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') as WrkReport;
  const expectedBytes = report.requests * answerBytes;
  if (
    report.failed > 0 ||
    report.bytes < expectedBytes ||
    report.bytes > expectedBytes * (1 + BYTES_LEEWAY)
  ) {
    throw new Error(`GET ${path}: ${JSON.stringify(report)}, where every answer has ${answerBytes} bytes`);
  }
  const { requests, microseconds, bytes, cpuSeconds } = report;
  return { seconds: microseconds / 1e6, operations: requests, bytes, cpuSeconds };
}

/** Of head and body. */
async function answerLength({ endpoint, path, fields }: WrkTask): Promise<number> {
  const connection = await Connection.open(endpoint);
  try {
    const answer = await connection.exchange(headOf(endpoint, 'GET', path, fields));
    const { head, bodyBytes } = expectStatus(answer, 200, `GET ${path}`);
    return head.length + '\r\n\r\n'.length + bodyBytes;
  } finally {
    connection.close();
  }
}
