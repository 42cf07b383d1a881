import type { KeyObject } from 'node:crypto';
import { type IssuerAlgorithm, IssuerKeys, IssuerKeysError } from '../issuer-keys.ts';
import { KeySet } from './key-set.ts';
import { fileSource, httpSource, type KeySource } from './key-sources.ts';

export interface IssuerSource {
  /** Exactly as in the `iss` claim. */
  readonly issuer: string;
  /** Where its keys are, when that is not what its own discovery document says or not on its own host. */
  readonly jwksUri?: string;
  /** A file with its JWK set; the network is not used then. */
  readonly jwksFile?: string;
}

export interface JwksOptions {
  /** Limit for each HTTP request; 5 seconds unless said. */
  readonly timeoutMs?: number;
  /** Limit for each answer; 256 KiB unless said. */
  readonly maxBytes?: number;
  /** The least time between two attempts to read an issuer's keys; 10 seconds unless said. */
  readonly cooldownSeconds?: number;
  /** How long keys are used that could not be renewed; 7 days unless said. */
  readonly staleSeconds?: number;
  readonly now?: () => Date;
}

/** Whatever the issuer says, its keys are read again after this. */
const MAX_AGE_SECONDS_MAX = 86_400;

interface IssuerState {
  readonly source: KeySource;
  keys: KeySet | null;
  fetchedAt: number;
  freshUntil: number;
  attemptedAt: number;
  failure: unknown;
  running: Promise<void> | null;
}

/** Keys of issuers from their JWK sets, over HTTP or from a file. */
export class JwksIssuerKeys extends IssuerKeys {
  readonly #issuers: ReadonlyMap<string, IssuerState>;
  readonly #cooldownMs: number;
  readonly #staleMs: number;
  readonly #now: () => Date;

  constructor(issuers: readonly IssuerSource[], options: JwksOptions = {}) {
    super();
    const limits = { timeoutMs: options.timeoutMs ?? 5_000, maxBytes: options.maxBytes ?? 262_144 };
    this.#cooldownMs = (options.cooldownSeconds ?? 10) * 1_000;
    this.#staleMs = (options.staleSeconds ?? 7 * 86_400) * 1_000;
    this.#now = options.now ?? (() => new Date());
    this.#issuers = new Map(
      issuers.map(({ issuer, jwksUri, jwksFile }) => [
        issuer,
        {
          source:
            jwksFile === undefined
              ? httpSource({ issuer, ...limits, ...(jwksUri === undefined ? {} : { jwksUri }) })
              : fileSource(jwksFile),
          keys: null,
          fetchedAt: 0,
          freshUntil: 0,
          attemptedAt: -Infinity,
          failure: null,
          running: null,
        },
      ]),
    );
  }

  async keyFor(issuer: string, kid: string | null, algorithm: IssuerAlgorithm): Promise<KeyObject> {
    const state = this.#issuers.get(issuer);
    if (state === undefined)
      throw new IssuerKeysError('issuer-unknown', `issuer ${issuer.slice(0, 160)} is not trusted`);
    if (this.#now().getTime() >= state.freshUntil) await this.#renew(state);
    const known = this.#usable(state)?.find(kid, algorithm) ?? null;
    if (known !== null) return known;
    // GitLab replaces its key without overlap, so an id that we do not know may be the new one.
    await this.#renew(state);
    const keys = this.#usable(state);
    const found = keys?.find(kid, algorithm) ?? null;
    if (found !== null) return found;
    if (keys === null || state.failure !== null) {
      throw new IssuerKeysError('issuer-unavailable', `the keys of ${issuer} cannot be read`, {
        cause: state.failure,
        detail: state.failure instanceof Error ? state.failure.message : String(state.failure),
      });
    }
    throw new IssuerKeysError(
      'key-unknown',
      kid === null
        ? `${issuer} has several keys or none for ${algorithm}, and the token names none (header kid)`
        : `${issuer} has no key for ${algorithm} with the id ${JSON.stringify(kid.slice(0, 160))} (header kid)`,
    );
  }

  /** The keys, unless they are too old to be trusted any longer. */
  #usable(state: IssuerState): KeySet | null {
    return this.#now().getTime() - state.fetchedAt <= this.#staleMs ? state.keys : null;
  }

  /** Reads the keys again unless that was tried a moment ago. Never throws: what was known stays. */
  async #renew(state: IssuerState): Promise<void> {
    if (state.running !== null) return state.running;
    if (this.#now().getTime() - state.attemptedAt < this.#cooldownMs) return;
    state.running = this.#read(state).finally(() => {
      state.running = null;
    });
    return state.running;
  }

  async #read(state: IssuerState): Promise<void> {
    const now = this.#now().getTime();
    state.attemptedAt = now;
    try {
      const { text, maxAgeSeconds } = await state.source();
      state.keys = KeySet.parse(text);
      state.fetchedAt = now;
      state.freshUntil = now + Math.min(maxAgeSeconds, MAX_AGE_SECONDS_MAX) * 1_000;
      state.failure = null;
    } catch (error) {
      state.failure = error;
    }
  }
}
