import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Platform } from '../../system/platform.ts';
import type { Transport } from './registry.ts';
import { ADMIN_PASSWORD, NO_LIMITS, Sluice } from './sluice.ts';

/** The whole platform in one process on its embedded PostgreSQL, as `npm start` runs it. Plain HTTP only. */
export class SluiceStandalone extends Sluice {
  readonly #platform: Platform;

  private constructor(platform: Platform) {
    super({ host: '127.0.0.1', port: platform.port, certificate: null }, platform.url);
    this.#platform = platform;
  }

  static async start({ tls }: Transport): Promise<SluiceStandalone> {
    if (tls !== null) throw new Error('--standalone is measured over plain HTTP only: add --transport plain');
    return new SluiceStandalone(
      await Platform.start({ ...NO_LIMITS, SLUICE_ADMIN_PASSWORD: ADMIN_PASSWORD }),
    );
  }

  servers(): readonly number[] {
    const lock = readFileSync(join(this.#platform.directory, 'data', 'lock'), 'utf8');
    return [Number(lock.trim())];
  }

  processes(): readonly number[] {
    const file = join(this.#platform.directory, 'data', 'postgres', 'cluster', 'postmaster.pid');
    return [...this.servers(), Number(readFileSync(file, 'utf8').split('\n')[0])];
  }

  async stop(): Promise<void> {
    await this.#platform.remove();
  }
}
