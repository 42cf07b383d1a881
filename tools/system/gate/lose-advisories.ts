import type { Platform } from '../platform.ts';
import { runSql } from '../platform-sql.ts';

/** Empties the advisory tables, as an intruder or a bad restore would. */
export async function loseAdvisories(platform: Platform): Promise<void> {
  await runSql(platform, 'TRUNCATE advisory CASCADE');
}
