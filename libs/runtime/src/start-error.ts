/** Something outside the program keeps it from starting; the message says what to change. `exitCode` is documented. */
export class StartError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT.environment, options: { cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StartError';
    this.exitCode = exitCode;
  }
}

/** Exit codes of the platform process (docs/operations.md). */
export const EXIT = {
  /** Ended as asked, everything drained. */
  ok: 0,
  /** A fault of the program. */
  internal: 1,
  /** The configuration is wrong. */
  configuration: 2,
  /** Port taken, directory not writable, no disk, database out of reach. */
  environment: 3,
} as const;
