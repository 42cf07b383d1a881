export interface BackOff {
  /** Delay after the first failure, before jitter. */
  readonly baseSeconds: number;
  readonly maxSeconds: number;
}

export const DEFAULT_BACK_OFF: BackOff = { baseSeconds: 2, maxSeconds: 600 };

/**
 * Seconds to wait after failed attempt number `attempt` (from 1): doubled each time up to the maximum, and then a
 * random share between half and all of it, so that jobs that failed together do not come back together.
 *
 * @param random a number in [0, 1)
 */
export function backOffSeconds(attempt: number, backOff: BackOff, random: number): number {
  const ceiling = Math.min(backOff.baseSeconds * 2 ** Math.min(attempt - 1, 30), backOff.maxSeconds);
  return ceiling * (0.5 + random / 2);
}
