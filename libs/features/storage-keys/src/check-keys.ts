import type { KeyEncryptionKeys } from '@sluice/blob-storage';
import type { ObjectKeyEnvelopes } from '@sluice/database';

/**
 * Says which keys something stored needs and this process does not have, so that it can refuse to start instead of
 * failing at the first pull. A key that is listed as destroyed is not missing: its content was given up.
 *
 * @param keys null when encryption is off
 * @returns null when nothing is missing
 */
export async function missingKeys(
  envelopes: ObjectKeyEnvelopes,
  keys: KeyEncryptionKeys | null,
): Promise<string | null> {
  const missing = (await envelopes.keysInUse())
    .map(({ keyId }) => keyId)
    .filter((keyId) => keys === null || keys.state(keyId) === 'missing');
  if (missing.length === 0) return null;
  const names = missing.map((keyId) => `"${keyId}"`).join(', ');
  return keys === null
    ? `stored content is encrypted under ${names}: set SLUICE_ENCRYPTION_KEY_FILE to the key file`
    : `stored content is encrypted under ${names}, which the key file does not have: put it back, or list it as destroyed to give that content up`;
}
