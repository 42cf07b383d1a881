/**
 * Base of every error that Sluice raises on purpose.
 *
 * `code` is stable and belongs to a string union of the subclass; `message` is public and says what was wrong and
 * what is allowed; `detail` is for logs only. No HTTP status here: one table per protocol maps codes to statuses.
 */
export abstract class SluiceError<Code extends string = string> extends Error {
  abstract readonly code: Code;
  readonly detail: string | undefined;

  constructor(message: string, options: { cause?: unknown; detail?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.detail = options.detail;
  }
}
