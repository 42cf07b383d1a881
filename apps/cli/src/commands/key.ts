import { writeFileSync } from 'node:fs';
import { CliError } from '../cli-error.ts';
import type { CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { generateKeyPair } from '../sign/index.ts';
import { keyPassword } from './key-password.ts';

export async function generateKey(
  context: CommandContext,
  options: { readonly prefix: string },
): Promise<void> {
  const files = await generateKeyPair(await keyPassword(context, 'Password for the new key: '));
  const privateKey = `${options.prefix}.key`;
  const publicKey = `${options.prefix}.pub`;
  writeNew(privateKey, files.privateKey, 0o600);
  writeNew(publicKey, files.publicKey, 0o644);
  await context.output.item({ privateKey, publicKey }, [
    ['private key', privateKey],
    ['public key', publicKey],
  ]);
}

/** An existing key is never overwritten: what it signed could not be signed again. */
function writeNew(path: string, text: string, mode: number): void {
  try {
    writeFileSync(path, text, { mode, flag: 'wx' });
  } catch (error) {
    const exists = (error as NodeJS.ErrnoException).code === 'EEXIST';
    throw new CliError(
      exists ? EXIT.conflict : EXIT.usage,
      exists ? `${path} exists already` : `cannot write ${path}: ${(error as Error).message}`,
      { cause: error, ...(exists ? { hint: 'choose another name with --prefix' } : {}) },
    );
  }
}
