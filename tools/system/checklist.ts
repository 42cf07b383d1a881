/** Collects named checks, prints each as it ends, and one summary line last. */
export class Checklist {
  private readonly name: string;
  private passed = 0;
  private readonly failures: string[] = [];

  constructor(name: string) {
    this.name = name;
  }

  /** Runs one check; a thrown error is its failure and the others still run. */
  async check(title: string, body: () => Promise<string | void>): Promise<void> {
    const startedAt = Date.now();
    try {
      const figure = await body();
      this.passed++;
      console.log(
        `ok    ${title}${figure === undefined ? '' : `: ${figure}`} (${Date.now() - startedAt} ms)`,
      );
    } catch (error) {
      this.failures.push(title);
      console.log(
        `FAIL  ${title}\n      ${String(error instanceof Error ? error.message : error).replaceAll('\n', '\n      ')}`,
      );
    }
  }

  /** Prints the summary and sets the exit code. A run without any check has failed. */
  finish(): void {
    const total = this.passed + this.failures.length;
    console.log(
      `${this.name}: ${this.passed} of ${total} checks passed${this.failures.length > 0 ? `; failed: ${this.failures.join('; ')}` : ''}`,
    );
    if (this.failures.length > 0 || total === 0) process.exitCode = 1;
  }
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

export function assertEqual(actual: unknown, expected: unknown, what: string): void {
  const [given, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  if (given !== wanted) throw new Error(`${what}: ${given} instead of ${wanted}`);
}
