import { SHARED_KEY_DOMAIN } from '../key-encryption-keys.ts';
import { type KeyEnvelope, KeyEnvelopes } from '../key-envelopes.ts';

/** Envelopes in the memory of one process, for tests. */
export class MemoryKeyEnvelopes extends KeyEnvelopes {
  readonly #envelopes = new Map<string, KeyEnvelope>();
  readonly #domainOf: (objectKey: string) => string;

  constructor(domainOf: (objectKey: string) => string = () => SHARED_KEY_DOMAIN) {
    super();
    this.#domainOf = domainOf;
  }

  async domainOf(objectKey: string): Promise<string> {
    return this.#domainOf(objectKey);
  }

  async find(objectKey: string): Promise<KeyEnvelope | null> {
    return this.#envelopes.get(objectKey) ?? null;
  }

  async put(objectKey: string, envelope: KeyEnvelope): Promise<void> {
    this.#envelopes.set(objectKey, envelope);
  }

  async remove(objectKey: string): Promise<void> {
    this.#envelopes.delete(objectKey);
  }
}
