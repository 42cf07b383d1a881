import type { Page } from '../api/client.ts';
import type { CreatedSecret, RobotSecret } from '../api/types.ts';
import type { CommandContext } from '../context.ts';
import { expiryIn } from './expiry.ts';
import { robotPath, scopesOf } from './robot.ts';

export async function createSecret(
  context: CommandContext,
  node: string,
  name: string,
  options: { readonly scope?: readonly string[]; readonly expiresIn?: number },
): Promise<void> {
  const api = context.api();
  const secret = await api.post<CreatedSecret>(`${await robotPath(api, node, name)}/secrets`, {
    ...scopesOf(options.scope),
    ...expiryIn(options.expiresIn),
  });
  context.output.note('keep the secret now: it cannot be shown again');
  await context.output.item(secret, [
    ['secret', secret.secret],
    ['scopes', secret.scopes.join(' ')],
    ['ends', secret.expiresAt],
    ['id', secret.id],
  ]);
}

export async function listSecrets(context: CommandContext, node: string, name: string): Promise<void> {
  const api = context.api();
  const { items: secrets } = await api.get<Page<RobotSecret>>(`${await robotPath(api, node, name)}/secrets`);
  await context.output.list(
    secrets,
    [
      { title: 'id', value: (secret) => secret.id },
      { title: 'scopes', value: (secret) => secret.scopes.join(' ') },
      { title: 'ends', value: (secret) => secret.expiresAt },
      { title: 'last used', value: (secret) => secret.lastUsedAt },
      { title: 'revoked', value: (secret) => secret.revokedAt },
    ],
    `no secrets of ${name}`,
  );
}

export async function revokeSecret(
  context: CommandContext,
  node: string,
  name: string,
  secret: string,
): Promise<void> {
  const api = context.api();
  await api.delete(`${await robotPath(api, node, name)}/secrets/${encodeURIComponent(secret)}`);
  context.output.note(`revoked ${secret}`);
}
