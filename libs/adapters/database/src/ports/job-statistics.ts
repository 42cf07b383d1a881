/** How the work stands, for whoever watches the platform. */
export interface JobFigures {
  /** Queued jobs whose time has come. */
  readonly due: number;
  readonly running: number;
  /** Jobs that failed for good in the last 24 hours. */
  readonly failedLastDay: number;
  /** How long the oldest due job waits, null when none does. */
  readonly oldestDueSeconds: number | null;
}

export abstract class JobStatistics {
  abstract read(): Promise<JobFigures>;
}
