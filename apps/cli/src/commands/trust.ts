import type { TrustedKey } from '../api/types.ts';
import { CliError } from '../cli-error.ts';
import type { CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { readInput } from './input-file.ts';

export async function addTrustedKey(
  context: CommandContext,
  file: string,
  options: { readonly node: string; readonly name: string },
): Promise<void> {
  const pem = await readInput(context, file);
  if (/PRIVATE KEY/.test(pem)) {
    // It must not leave this machine, whatever the server would say to it.
    throw new CliError(EXIT.usage, `${file} holds a private key, and trust takes the public one`, {
      hint: 'use cosign.pub',
    });
  }
  const key = await context
    .api()
    .post<TrustedKey>('/trusted-keys', { node: options.node, name: options.name, pem });
  await context.output.item(key, [
    ['id', key.id],
    ['node', key.node],
    ['name', key.name],
    ['algorithm', key.algorithm],
    ['fingerprint', key.fingerprint],
  ]);
}

export async function listTrustedKeys(
  context: CommandContext,
  options: { readonly node?: string },
): Promise<void> {
  const keys = await context.api().collect<TrustedKey>('/trusted-keys', { node: options.node });
  await context.output.list(
    keys,
    [
      { title: 'id', value: (key) => key.id },
      { title: 'node', value: (key) => key.node },
      { title: 'name', value: (key) => key.name },
      { title: 'algorithm', value: (key) => key.algorithm },
      { title: 'fingerprint', value: (key) => key.fingerprint },
    ],
    'no keys are trusted',
  );
}

export async function removeTrustedKey(
  context: CommandContext,
  idOrName: string,
  options: { readonly node?: string },
): Promise<void> {
  const api = context.api();
  const id = idOrName.startsWith('key_') ? idOrName : (await keyNamed(context, idOrName, options.node)).id;
  await api.delete(`/trusted-keys/${encodeURIComponent(id)}`);
  context.output.note(`removed ${idOrName}`);
}

async function keyNamed(
  context: CommandContext,
  name: string,
  node: string | undefined,
): Promise<TrustedKey> {
  const keys = await context.api().collect<TrustedKey>('/trusted-keys', { node });
  const matching = keys.filter((key) => key.name === name && (node === undefined || key.node === node));
  const [only] = matching;
  if (only === undefined) {
    throw new CliError(EXIT.notFound, `no trusted key is called ${name}`, {
      hint: 'see `sluice trust list`',
    });
  }
  if (matching.length > 1) {
    throw new CliError(
      EXIT.usage,
      `${name} names keys of ${matching.map((key) => key.node).join(' and ')}: say which with --node`,
    );
  }
  return only;
}
