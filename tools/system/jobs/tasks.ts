/** What the workers of the jobs test know how to do. */
export const KINDS = ['test.short', 'test.long'];

/** The payload of a job: it takes a while, and its first attempts fail. */
export interface Task {
  readonly key: string;
  readonly milliseconds: number;
  /** So many attempts throw before one succeeds. */
  readonly failures: number;
}
