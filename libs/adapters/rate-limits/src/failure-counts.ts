/** Counts failed attempts for all processes together, such as logins. */
export abstract class FailureCounts {
  /**
   * Counts an attempt as failed until {@link takeBack} or {@link forget}. The window begins with the first.
   *
   * @returns 0 when it may be made, otherwise the seconds until the window ends. 0 as well while nobody can count:
   * every process counts for itself besides
   */
  abstract attempt(key: string, limit: number, windowSeconds: number): Promise<number>;

  /** One attempt less. */
  abstract takeBack(key: string): Promise<void>;

  abstract forget(key: string): Promise<void>;
}
