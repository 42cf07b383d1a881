import type { JobRateLimit } from './messages.ts';

/** Holds the rate limits in this process alone, for as long as Redis cannot hold them for all. */
export class Pace {
  readonly #limits: Readonly<Record<string, JobRateLimit>>;
  /** Times of the latest starts of limited kinds, in milliseconds. */
  readonly #starts = new Map<string, number[]>();

  constructor(limits: Readonly<Record<string, JobRateLimit>>) {
    this.#limits = limits;
  }

  isLimited(kind: string): boolean {
    return this.#limits[kind] !== undefined;
  }

  /** How many jobs of the kind may start at `now`. */
  room(kind: string, now: number): number {
    const limit = this.#limits[kind];
    if (limit === undefined) return Infinity;
    const recent = (this.#starts.get(kind) ?? []).filter((time) => time > now - limit.seconds * 1000);
    this.#starts.set(kind, recent);
    return Math.max(limit.max - recent.length, 0);
  }

  started(kind: string, now: number): void {
    if (this.isLimited(kind)) this.#starts.set(kind, [...(this.#starts.get(kind) ?? []), now]);
  }
}
