import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { DurationHistogram } from './duration-histogram.ts';

/** Every sample of the event loop's lag wakes the process; at the usual 10 ms that is most of what an idle one does. */
const LAG_SAMPLE_MS = 100;

/** Requests of one kind since the metrics were read last. */
export interface RequestTally {
  count: number;
}

/** The metrics of one process. Labels are bounded: route patterns and codes, never names or digests. */
export class Metrics {
  readonly registry = new Registry();
  readonly #tallies: { readonly tally: RequestTally; readonly counter: Counter.Internal }[] = [];
  readonly requests = new Counter({
    name: 'sluice_http_requests_total',
    help: 'HTTP requests answered.',
    labelNames: ['route', 'method', 'code'],
    registers: [this.registry],
    collect: () => this.#enterTallies(),
  });
  readonly requestDuration = new DurationHistogram({
    name: 'sluice_http_request_duration_seconds',
    help: 'Time from the request to the end of the answer.',
    labelNames: ['route', 'method'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60],
    register: this.registry,
  });
  readonly inflight = new Gauge({
    name: 'sluice_http_inflight_requests',
    help: 'HTTP requests being answered.',
    registers: [this.registry],
  });
  readonly jobs = new Counter({
    name: 'sluice_jobs_total',
    help: 'Jobs that ended, by result.',
    labelNames: ['kind', 'result'],
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry, eventLoopMonitoringPrecision: LAG_SAMPLE_MS });
  }

  /**
   * For a kind of request that is so frequent that finding its labels each time tells in its cost: whoever answers one
   * raises the count.
   */
  tallyOf(labels: { readonly route: string; readonly method: string; readonly code: number }): RequestTally {
    const tally = { count: 0 };
    this.#tallies.push({ tally, counter: this.requests.labels(labels) });
    return tally;
  }

  #enterTallies(): void {
    for (const { tally, counter } of this.#tallies) {
      counter.inc(tally.count);
      tally.count = 0;
    }
  }
}
