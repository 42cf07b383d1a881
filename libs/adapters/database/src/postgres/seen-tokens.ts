import type { DataSource } from 'typeorm';
import { type SeenToken, SeenTokens } from '../ports/seen-tokens.ts';
import { queryRows } from './sql.ts';

export class PostgresSeenTokens extends SeenTokens {
  readonly #source: DataSource;

  constructor(source: DataSource) {
    super();
    this.#source = source;
  }

  async use(token: SeenToken): Promise<boolean> {
    const rows = await queryRows(
      this.#source,
      // The update changes nothing; it makes the statement return the row that was there.
      `INSERT INTO seen_token (issuer, jti, token_hash, expires_at) VALUES ($1, $2, $3, $4)
       ON CONFLICT (issuer, jti) DO UPDATE SET exchanged = seen_token.exchanged
         WHERE seen_token.token_hash = excluded.token_hash
       RETURNING jti`,
      [token.issuer, token.jti, token.hash, token.expiresAt],
    );
    return rows.length === 1;
  }

  async exchange(token: SeenToken): Promise<boolean> {
    const rows = await queryRows(
      this.#source,
      `INSERT INTO seen_token (issuer, jti, token_hash, expires_at, exchanged) VALUES ($1, $2, $3, $4, true)
       ON CONFLICT (issuer, jti) DO UPDATE SET exchanged = true
         WHERE seen_token.token_hash = excluded.token_hash AND NOT seen_token.exchanged
       RETURNING jti`,
      [token.issuer, token.jti, token.hash, token.expiresAt],
    );
    return rows.length === 1;
  }

  async forgetExpired(before: Date): Promise<number> {
    const rows = await queryRows(this.#source, 'DELETE FROM seen_token WHERE expires_at < $1 RETURNING 1', [
      before,
    ]);
    return rows.length;
  }
}
