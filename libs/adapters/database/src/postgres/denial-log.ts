import type { DataSource, EntityManager } from 'typeorm';
import { newId } from '../ids.ts';
import type { AuditEvent } from '../ports/audit-log.ts';
import { type Denial, DenialLog } from '../ports/denial-log.ts';
import { appendAuditEvents } from './audit-log.ts';
import { sqlState, storableText } from './sql.ts';

export interface DenialLogOptions {
  /** How long a denial waits for others to be written with. */
  readonly flushMs?: number;
  /** How many may wait while the database cannot be reached; those beyond are lost, and the audit log says how many. */
  readonly maxWaiting?: number;
  readonly onError?: (error: unknown) => void;
}

const BATCH_MAX = 500;
const RETRY_MS = 2_000;
const CLOSE_ATTEMPTS = 3;

/** Writes refused pulls to `denial` and to the audit log, in one transaction a batch. */
export class PostgresDenialLog extends DenialLog {
  readonly #source: DataSource;
  readonly #flushMs: number;
  readonly #maxWaiting: number;
  readonly #onError: (error: unknown) => void;
  #waiting: Denial[] = [];
  /** Denials that found no room since the last batch was written. */
  #lost = 0;
  #timer: NodeJS.Timeout | null = null;
  #flushing: Promise<boolean> | null = null;

  constructor(source: DataSource, options: DenialLogOptions = {}) {
    super();
    this.#source = source;
    this.#flushMs = options.flushMs ?? 250;
    this.#maxWaiting = options.maxWaiting ?? 10_000;
    this.#onError = options.onError ?? (() => undefined);
  }

  record(denial: Denial): void {
    if (this.#waiting.length >= this.#maxWaiting) {
      this.#lost += 1;
      return;
    }
    this.#waiting.push(denial);
    this.#schedule(this.#flushMs);
  }

  async close(): Promise<void> {
    await this.#flushing;
    for (let attempt = 0; attempt < CLOSE_ATTEMPTS && this.#hasWork(); attempt += 1) await this.#flush();
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #hasWork(): boolean {
    return this.#waiting.length > 0 || this.#lost > 0;
  }

  #schedule(delayMs: number): void {
    if (this.#timer !== null || this.#flushing !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#flush().then((written) => {
        if (this.#hasWork()) this.#schedule(written ? this.#flushMs : RETRY_MS);
      });
    }, delayMs);
  }

  /** Writes all that waits. False when the database did not take it; it then waits on. */
  #flush(): Promise<boolean> {
    this.#flushing ??= this.#writeAll().finally(() => {
      this.#flushing = null;
    });
    return this.#flushing;
  }

  async #writeAll(): Promise<boolean> {
    let size = BATCH_MAX;
    while (this.#hasWork()) {
      const batch = this.#waiting.slice(0, size);
      const lost = this.#lost;
      try {
        await this.#write(batch, lost);
      } catch (error) {
        this.#onError(error);
        if (!isRefusal(error)) return false;
        // One of them is what the table cannot hold: find it by writing one at a time, and let it go.
        if (batch.length === 1) {
          this.#waiting.shift();
          this.#lost += 1;
        }
        size = 1;
        continue;
      }
      this.#waiting.splice(0, batch.length);
      this.#lost -= lost;
    }
    return true;
  }

  #write(batch: readonly Denial[], lost: number): Promise<void> {
    return this.#source.transaction(async (manager) => {
      await insertDenials(manager, batch);
      const events = batch.map(toAuditEvent);
      if (lost > 0) events.push(lostEvent(lost));
      await appendAuditEvents(manager, events);
    });
  }
}

/** Whether the values were refused (SQLSTATE classes 22 and 23); anything else is a matter of waiting. */
function isRefusal(error: unknown): boolean {
  return /^2[23]/.test(sqlState(error) ?? '');
}

async function insertDenials(manager: EntityManager, denials: readonly Denial[]): Promise<void> {
  const text = (value: string | null): string | null =>
    value === null ? null : storableText(value.toWellFormed(), 2000);
  await manager.query(
    `INSERT INTO denial (id, at, principal_id, principal_name, repository, reference, digest, rule, reason, verdict_id,
       client_address, user_agent, request_id)
     SELECT * FROM unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[],
       $8::text[], $9::text[], $10::uuid[], $11::text[], $12::text[], $13::text[])`,
    [
      denials.map(() => newId()),
      denials.map((denial) => denial.at),
      denials.map((denial) => denial.principalId),
      denials.map((denial) => text(denial.principalName)),
      denials.map((denial) => text(denial.repository)),
      denials.map((denial) => text(denial.reference)),
      denials.map((denial) => text(denial.digest)),
      denials.map((denial) => text(denial.rule)),
      denials.map((denial) => text(denial.reason)),
      denials.map((denial) => denial.verdictId),
      denials.map((denial) => text(denial.clientAddress)),
      denials.map((denial) => text(denial.userAgent)),
      denials.map((denial) => text(denial.requestId)),
    ],
  );
}

function toAuditEvent(denial: Denial): AuditEvent {
  return {
    actor: denial.principalName,
    tokenId: denial.tokenId,
    clientAddress: denial.clientAddress,
    requestId: denial.requestId,
    action: 'artifact.pull',
    resource:
      denial.digest === null
        ? `${denial.repository}:${denial.reference}`
        : `${denial.repository}@${denial.digest}`,
    decision: 'denied',
    detail: {
      reference: denial.reference,
      rule: denial.rule,
      reason: denial.reason,
      verdictId: denial.verdictId,
      userAgent: denial.userAgent,
      at: denial.at,
    },
  };
}

function lostEvent(count: number): AuditEvent {
  return {
    actor: 'system',
    tokenId: null,
    clientAddress: null,
    requestId: null,
    action: 'denial.lose',
    resource: 'denials',
    decision: 'denied',
    detail: { count, reason: 'these refused pulls could not be written down' },
  };
}
