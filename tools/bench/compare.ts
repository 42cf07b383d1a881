import { cpuSeconds } from './process-usage.ts';
import type { Registry } from './registries/registry.ts';
import type { Bench, Row, Sample } from './rows/row.ts';

/** What one registry did in one row. */
export interface Figure {
  readonly registry: string;
  /** One for each round, in their order. */
  readonly values: readonly number[];
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
  /** CPU milliseconds of all its processes for one operation, the median; null where that says nothing. */
  readonly cpuMs: number | null;
}

export interface RowResult {
  readonly row: Row;
  readonly figures: readonly Figure[];
}

/** Measures one row on every registry: as many warm-ups each, then rounds in which they take turns. */
export async function compare(
  row: Row,
  bench: Bench,
  registries: readonly Registry[],
  rounds: number,
): Promise<RowResult> {
  const sides = registries.filter(({ name }) => row.isForPeers || name === 'Sluice');
  const turns = row.isLong === true ? 1 : rounds;
  for (const side of row.isLong === true ? [] : sides) {
    for (let turn = 0; turn < (row.warmUps ?? 1); turn++) {
      await row.measure(bench, side);
      await side.rest();
    }
  }
  const samples = new Map<string, (Sample & { readonly cpuMs: number })[]>();
  for (let turn = 0; turn < turns; turn++) {
    // Who begins changes, so that nobody always measures in the wake of the same other.
    const order = sides.map((_, index) => sides[(index + turn) % sides.length]);
    for (const side of order) {
      if (side === undefined) continue;
      const before = cpuSeconds(side.processes());
      const sample = await row.measure(bench, side);
      await side.rest();
      const cpuMs = ((cpuSeconds(side.processes()) - before) * 1_000) / sample.operations;
      samples.set(side.name, [...(samples.get(side.name) ?? []), { ...sample, cpuMs }]);
    }
  }
  return { row, figures: sides.map(({ name }) => figureOf(name, row, samples.get(name) ?? [])) };
}

function figureOf(registry: string, row: Row, samples: readonly (Sample & { cpuMs: number })[]): Figure {
  const values = samples.map(({ value }) => value);
  return {
    registry,
    values,
    median: median(values),
    lowest: Math.min(...values),
    highest: Math.max(...values),
    cpuMs: row.operation === null ? null : median(samples.map(({ cpuMs }) => cpuMs)),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/**
 * How many times better Sluice is than the peer: the median of what the rounds say, because a machine that is shared is
 * faster at one time than at another, and the turns of one round follow each other.
 */
export function ratio({ row, figures }: RowResult, peer: string): number | null {
  const own = figures.find(({ registry }) => registry === 'Sluice');
  const other = figures.find(({ registry }) => registry === peer);
  if (own === undefined || other === undefined) return null;
  const ratios = own.values.map((value, round) => value / (other.values[round] ?? Number.NaN));
  return median(row.higherIsBetter ? ratios : ratios.map((times) => 1 / times));
}
