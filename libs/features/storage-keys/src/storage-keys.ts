import type { KeyEncryptionKeys, KeyState } from '@sluice/blob-storage';
import type {
  AuditActor,
  AuditLog,
  JobLedger,
  KeyDomainAssignment,
  KeyDomains,
  ObjectKeyEnvelopes,
} from '@sluice/database';
import { StorageKeyError } from './errors.ts';

/** Kind of the job that {@link DataKeyRewrapper} does. */
export const REWRAP_JOB = 'storage.rewrap';

/** A key encryption key, and what needs it. */
export interface StorageKey {
  readonly id: string;
  /** '' is the domain of everybody. */
  readonly domain: string;
  readonly state: KeyState;
  readonly objects: number;
  /** Uploads under way that go on with it; they end or expire within a day. */
  readonly uploads: number;
}

export interface StorageKeyReport {
  /** False when nothing that is stored from now on is encrypted. */
  readonly encrypts: boolean;
  readonly keys: readonly StorageKey[];
  readonly domains: readonly KeyDomainAssignment[];
}

/** The keys that stored content is encrypted under: what they are used for, their rotation, and who has keys of his own. */
export class StorageKeys {
  readonly #envelopes: ObjectKeyEnvelopes;
  readonly #domains: KeyDomains;
  readonly #ledger: JobLedger;
  readonly #audit: AuditLog;
  readonly #keys: KeyEncryptionKeys | null;

  /** @param keys null when encryption is off */
  constructor(
    envelopes: ObjectKeyEnvelopes,
    domains: KeyDomains,
    ledger: JobLedger,
    audit: AuditLog,
    keys: KeyEncryptionKeys | null,
  ) {
    this.#envelopes = envelopes;
    this.#domains = domains;
    this.#ledger = ledger;
    this.#audit = audit;
    this.#keys = keys;
  }

  /** Every key that is in the key file of this process or that something stored needs. */
  async report(): Promise<StorageKeyReport> {
    const usage = await this.#envelopes.usage();
    const known = this.#keys?.list() ?? [];
    const keys = known.map(({ domain, keyId, state }): StorageKey => {
      const { objects = 0, uploads = 0 } = usage.find((used) => used.keyId === keyId) ?? {};
      return { id: keyId, domain, state, objects, uploads };
    });
    const missing = usage
      .filter(({ keyId }) => !known.some((key) => key.keyId === keyId))
      .map(({ keyId, ...used }): StorageKey => ({ id: keyId, ...used, state: 'missing' }));
    return {
      encrypts: this.#keys !== null,
      keys: [...keys, ...missing],
      domains: await this.#domains.list(),
    };
  }

  /**
   * Starts a job that wraps every data key with the active key of its domain, and returns its id.
   *
   * @throws StorageKeyError encryption-off
   */
  async startRewrap(by: AuditActor): Promise<string> {
    this.#requireKeys();
    const [id] = await this.#ledger.enqueue([{ kind: REWRAP_JOB, key: 'all', payload: {} }]);
    if (id === undefined) throw new Error('the ledger gave no job');
    await this.#audit.record({
      ...by,
      action: 'storage.rewrap',
      resource: 'storage',
      decision: 'allowed',
      detail: {},
    });
    return id;
  }

  /**
   * Gives a group or project, with everything below it, a key domain, or takes it back (null): from its first push on
   * its content is encrypted under keys of its own and stored apart from that of others.
   *
   * @throws StorageKeyError encryption-off, key-domain-unknown (no active key); AccessError node-unknown, node-not-empty
   */
  async assignDomain(by: AuditActor, path: string, domain: string | null): Promise<void> {
    const keys = this.#requireKeys();
    if (domain !== null && keys.activeKeyId(domain) === null) {
      throw new StorageKeyError(
        'key-domain-unknown',
        `the key file has no active key of the domain "${domain}": add one first, and restart every process`,
      );
    }
    await this.#domains.assign(path, domain);
    await this.#audit.record({
      ...by,
      action: 'storage.key-domain',
      resource: path,
      decision: 'allowed',
      detail: { domain },
    });
  }

  #requireKeys(): KeyEncryptionKeys {
    if (this.#keys !== null) return this.#keys;
    throw new StorageKeyError(
      'encryption-off',
      'nothing is encrypted here: set SLUICE_ENCRYPTION_KEY_FILE for every process first',
    );
  }
}
