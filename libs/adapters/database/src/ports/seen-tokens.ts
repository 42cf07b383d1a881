export interface SeenToken {
  readonly issuer: string;
  readonly jti: string;
  /** SHA-256 of the whole token. */
  readonly hash: Buffer;
  readonly expiresAt: Date;
}

/** Remembers one-time ids (`jti`) of tokens from other issuers until they expire, for all replicas at once. */
export abstract class SeenTokens {
  /**
   * Notes a token that is used as a password, which clients send again with every request.
   * False when another token with the same id was seen before.
   */
  abstract use(token: SeenToken): Promise<boolean>;

  /** Notes a token that is exchanged. False when its id was exchanged before, or seen with another token. */
  abstract exchange(token: SeenToken): Promise<boolean>;

  /** Forgets what has expired before `before`. Returns how many. */
  abstract forgetExpired(before: Date): Promise<number>;
}
