import type {
  AuditActor,
  AuditLog,
  TrustedKeyQuery,
  TrustedKeyRecord,
  TrustedKeyStore,
} from '@sluice/database';
import { TrustError, parsePublicKey, parseTrustedKeyName } from '@sluice/domain/signature';

/** More would make one signature cost as many checks. */
const KEYS_PER_NODE = 50;

/** The public keys whose signatures count, per group or project; a group's keys hold for everything below it. */
export class TrustedKeys {
  readonly #keys: TrustedKeyStore;
  readonly #audit: AuditLog;

  constructor(keys: TrustedKeyStore, audit: AuditLog) {
    this.#keys = keys;
    this.#audit = audit;
  }

  /**
   * Trusts a public key in PEM (`BEGIN PUBLIC KEY`). Signatures that are there already are checked against it soon.
   *
   * @throws KeyError KEY_INVALID, KEY_IS_PRIVATE, KEY_UNSUPPORTED
   * @throws TrustError trusted-key-name-invalid, trusted-key-name-taken, trusted-key-exists, trusted-key-limit
   * @throws AccessError node-unknown
   */
  async add(
    by: AuditActor,
    key: { readonly nodeId: string; readonly name: string; readonly pem: string },
  ): Promise<TrustedKeyRecord> {
    const name = parseTrustedKeyName(key.name);
    const { algorithm, pem, keyId } = parsePublicKey(key.pem);
    const added = await this.#keys.add(
      { nodeId: key.nodeId, name, algorithm, pem, keyId, createdBy: by.actor },
      KEYS_PER_NODE,
    );
    await this.#record(by, 'trusted-key.add', added);
    return added;
  }

  /** Null when there is no such key. */
  get(id: string): Promise<TrustedKeyRecord | null> {
    return this.#keys.get(id);
  }

  /** Trusts a key no more: signatures that only this key verified cease to count. @throws TrustError trusted-key-unknown */
  async remove(by: AuditActor, id: string): Promise<void> {
    const removed = await this.#keys.remove(id);
    if (removed === null)
      throw new TrustError('trusted-key-unknown', 'there is no such trusted key', { detail: id });
    await this.#record(by, 'trusted-key.remove', removed);
  }

  /** The keys that count in the node: its own and those of the groups above it. */
  listForNode(nodeId: string): Promise<TrustedKeyRecord[]> {
    return this.#keys.listForNode(nodeId);
  }

  /** The keys of all nodes that the reader may see. */
  list(query: TrustedKeyQuery): Promise<TrustedKeyRecord[]> {
    return this.#keys.list(query);
  }

  #record(by: AuditActor, action: string, key: TrustedKeyRecord): Promise<void> {
    return this.#audit.record({
      ...by,
      action,
      resource: key.nodePath,
      decision: 'allowed',
      detail: { id: key.id, name: key.name, algorithm: key.algorithm, keyId: key.keyId },
    });
  }
}
