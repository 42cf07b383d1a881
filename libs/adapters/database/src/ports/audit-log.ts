/** Who did something, as the audit log names them. */
export interface AuditActor {
  /** Name of the principal, `anonymous`, or `system` for what Sluice does by itself. */
  readonly actor: string;
  /** Id of the secret or token that was used, null for a password or none. */
  readonly tokenId: string | null;
  readonly clientAddress: string | null;
  readonly requestId: string | null;
}

export interface AuditEvent extends AuditActor {
  /** `<noun>.<verb>`, e.g. `grant.put`, `artifact.pull`. */
  readonly action: string;
  /** What it was done to, in words that stay readable when the row is gone: a path, a name, `team/app@sha256:…`. */
  readonly resource: string;
  readonly decision: 'allowed' | 'denied';
  /** `<policy>@<version>` of what decided, where a policy did. */
  readonly policyVersion?: string | null;
  /** Anything JSON can hold; never a secret. */
  readonly detail: Readonly<Record<string, unknown>>;
}

/** The append-only record of what was done and refused. */
export abstract class AuditLog {
  /** Appends one event. Rejects when it cannot be stored; the caller's act then fails as well. */
  abstract record(event: AuditEvent): Promise<void>;
}
