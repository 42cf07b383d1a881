import type { Driver } from '../driver/driver.ts';
import type { Registry } from '../registries/registry.ts';
import type { Seed } from '../seed.ts';

/**
 * Warm-ups of rows whose turns are short and busy: a program that is compiled while it runs takes more than one of them
 * to be what it is from then on.
 */
export const COMPILING_TURNS = 8;

/** What a row needs to measure. */
export interface Bench {
  readonly driver: Driver;
  readonly seed: Seed;
  /** Short runs that show the direction. */
  readonly quick: boolean;
  /** Different at every call, so that nothing that is pushed is there already. */
  fresh(): string;
}

export interface Sample {
  readonly value: number;
  /** Requests, images or bytes by 1 MiB that the value stands for, to share the CPU time among. */
  readonly operations: number;
}

/** What Sluice must reach beside a peer, as a ratio in which more is better for Sluice. */
export interface Goals {
  readonly distribution?: number;
  readonly zot?: number;
  /** Beside the better peer. */
  readonly best?: number;
  /** The figure of Sluice itself must be below this. */
  readonly below?: number;
}

/** One line of the table. */
export interface Row {
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly higherIsBetter: boolean;
  /** What CPU time is divided by: `request`, `MiB`, `image`; null where it says nothing. */
  readonly operation: string | null;
  readonly goals: { readonly plain: Goals; readonly tls: Goals };
  /** Rows that take long are measured once and only over plain HTTP. */
  readonly isLong?: true;
  /** Turns of every side before those that count, 1 unless said. */
  readonly warmUps?: number;
  /** False for peers that it would take too long. */
  readonly isForPeers: boolean;
  measure(bench: Bench, registry: Registry): Promise<Sample>;
}
