/** Something that must work before requests are served, e.g. the database. Rejects with the reason when it does not. */
export interface ReadinessCheck {
  readonly name: string;
  check(): Promise<void>;
}

export interface Readiness {
  readonly ready: boolean;
  readonly checks: readonly { readonly name: string; readonly ok: boolean; readonly reason?: string }[];
}

const CHECK_TIMEOUT_MS = 3_000;

/** What `/readyz` answers: ready when every check passes within 3 s and the process is not draining. */
export class Health {
  private draining = false;
  private readonly checks: ReadinessCheck[] = [];

  add(check: ReadinessCheck): void {
    this.checks.push(check);
  }

  /** From now on `/readyz` says no, so that a load balancer sends nothing new while running requests finish. */
  drain(): void {
    this.draining = true;
  }

  async readiness(): Promise<Readiness> {
    const results = await Promise.all(this.checks.map(runCheck));
    if (this.draining) results.push({ name: 'shutdown', ok: false, reason: 'the process is shutting down' });
    return { ready: results.every((result) => result.ok), checks: results };
  }
}

async function runCheck(check: ReadinessCheck): Promise<{ name: string; ok: boolean; reason?: string }> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${CHECK_TIMEOUT_MS} ms`)), CHECK_TIMEOUT_MS);
  });
  try {
    await Promise.race([check.check(), timeout]);
    return { name: check.name, ok: true };
  } catch (error) {
    return { name: check.name, ok: false, reason: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
  }
}
