import type { Metric, MetricValueWithName, Registry } from 'prom-client';

const TYPE = 'histogram';

/** Durations with the same labels. */
export interface DurationSeries {
  observe(seconds: number): void;
}

interface HistogramSettings<Label extends string> {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly Label[];
  /** Upper bounds in seconds, ascending; what is longer than the last counts for +Inf only. */
  readonly buckets: readonly number[];
  readonly register: Registry;
}

/**
 * A histogram as Prometheus reads it. That of prom-client finds labels and bucket by name for every duration, which is
 * a twentieth of the work of a pull from memory; here a frequent kind of request finds its series once.
 */
export class DurationHistogram<Label extends string> {
  readonly #settings: HistogramSettings<Label>;
  /** By the values of the labels, in the order of their names. */
  readonly #series = new Map<string, Series<Label>>();

  constructor(settings: HistogramSettings<Label>) {
    this.#settings = settings;
    const { name, help, register } = settings;
    const get = async () => ({ name, help, type: TYPE, aggregator: 'sum', values: this.#values() });
    // A registry asks no more of a metric than this, though its type names only the four of prom-client.
    register.registerMetric({ name, help, type: TYPE, get } as unknown as Metric<Label>);
  }

  /** The durations with these labels. */
  of(labels: Readonly<Record<Label, string>>): DurationSeries {
    const key = this.#settings.labelNames.map((name) => labels[name]).join('\n');
    const known = this.#series.get(key);
    if (known !== undefined) return known;
    const series = new Series(labels, this.#settings.buckets);
    this.#series.set(key, series);
    return series;
  }

  #values(): MetricValueWithName<Label | 'le'>[] {
    return [...this.#series.values()].flatMap((series) => series.values(this.#settings.name));
  }
}

class Series<Label extends string> implements DurationSeries {
  readonly #labels: Readonly<Record<Label, string>>;
  readonly #bounds: readonly number[];
  /** Of each bucket by itself, the one of +Inf last. */
  readonly #counts: number[];
  #sum = 0;

  constructor(labels: Readonly<Record<Label, string>>, bounds: readonly number[]) {
    this.#labels = labels;
    this.#bounds = bounds;
    this.#counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  observe(seconds: number): void {
    const bounds = this.#bounds;
    let bucket = 0;
    while (bucket < bounds.length && seconds > (bounds[bucket] as number)) bucket += 1;
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#sum += seconds;
  }

  values(name: string): MetricValueWithName<Label | 'le'>[] {
    const labels = this.#labels as Record<Label | 'le', string>;
    let count = 0;
    const buckets = this.#counts.map((own, bucket) => {
      count += own;
      const le = this.#bounds[bucket] ?? '+Inf';
      return { metricName: `${name}_bucket`, labels: { ...labels, le }, value: count };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: count },
    ];
  }
}
