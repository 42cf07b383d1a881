import { Histogram, Registry } from 'prom-client';
import { describe, expect, it } from 'vitest';
import { DurationHistogram } from './duration-histogram.ts';

const SHAPE = { name: 'sluice_duration_seconds', help: 'How long.', buckets: [0.001, 0.25, 2] };

/** The text of a registry, with labels and lines in an order of their own. */
async function read(register: Registry): Promise<string[]> {
  const lines = (await register.metrics()).trim().split('\n');
  return lines
    .map((line) =>
      line.replace(/\{(.*)\}/, (_, labels: string) => `{${labels.split(',').toSorted().join()}}`),
    )
    .toSorted();
}

describe('DurationHistogram', () => {
  it('reads like the histogram of prom-client: cumulative buckets, bounds included, with sum and count', async () => {
    const [ours, theirs] = [new Registry(), new Registry()];
    const histogram = new DurationHistogram({ ...SHAPE, labelNames: ['route', 'method'], register: ours });
    const model = new Histogram({ ...SHAPE, labelNames: ['route', 'method'], registers: [theirs] });
    for (const labels of [
      { route: '/v2/', method: 'GET' },
      { route: '/v2/', method: 'HEAD' },
      { route: '/token', method: 'GET' },
    ]) {
      for (const seconds of [0, 0.001, 0.0011, 0.25, 1.5, 2, 2.5, 60]) {
        histogram.of(labels).observe(seconds);
        model.observe(labels, seconds);
      }
    }
    expect(await read(ours)).toEqual(await read(theirs));
    expect((await read(ours)).length).toBe(2 + 3 * 6);
  });

  it('gives the same series to the same labels, in whatever order they are named', async () => {
    const register = new Registry();
    const histogram = new DurationHistogram({ ...SHAPE, labelNames: ['route', 'method'], register });
    histogram.of({ route: '/v2/', method: 'GET' }).observe(1);
    histogram.of({ method: 'GET', route: '/v2/' }).observe(1);
    expect(await read(register)).toContain('sluice_duration_seconds_count{method="GET",route="/v2/"} 2');
  });

  it('has no lines before the first duration but help and type', async () => {
    const register = new Registry();
    new DurationHistogram({ ...SHAPE, labelNames: ['route'], register });
    expect(await read(register)).toEqual([
      '# HELP sluice_duration_seconds How long.',
      '# TYPE sluice_duration_seconds histogram',
    ]);
  });
});
