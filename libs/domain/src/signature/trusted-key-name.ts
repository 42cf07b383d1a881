import { TrustError } from './errors.ts';

const NAME = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

/** The name by which policies refer to a trusted key. @throws TrustError trusted-key-name-invalid */
export function parseTrustedKeyName(text: string): string {
  if (NAME.test(text)) return text;
  throw new TrustError(
    'trusted-key-name-invalid',
    `"${text.slice(0, 80)}" cannot be the name of a key: 1 to 63 of letters, digits, ".", "_" and "-", beginning and ` +
      'ending with a letter or digit',
  );
}
