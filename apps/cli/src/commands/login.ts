import { hostname } from 'node:os';
import type { ApiClient } from '../api/client.ts';
import type { CreatedToken, Me } from '../api/types.ts';
import { CliError } from '../cli-error.ts';
import { saveConfig, type StoredLogin, withLogin } from '../config/config-file.ts';
import { type Credentials, secretFrom } from '../config/connection.ts';
import { DEFAULT_URL, isUnencrypted, parseServerUrl } from '../config/server-url.ts';
import type { CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { ask } from '../io/prompt.ts';
import { isInteractive, readStdin } from '../io/terminal.ts';

/** Long enough that nobody logs in every week, short enough that a forgotten laptop ends. */
const TOKEN_LIFETIME_DAYS = 90;

export interface LoginOptions {
  readonly user?: string;
  readonly passwordStdin?: boolean;
  readonly tokenStdin?: boolean;
}

export async function login(
  context: CommandContext,
  target: string | undefined,
  options: LoginOptions,
): Promise<void> {
  const url = parseServerUrl(
    target ?? context.options.url ?? context.terminal.environment.SLUICE_URL ?? DEFAULT_URL,
  );
  if (isUnencrypted(url)) {
    context.output.warn(`${url} is not encrypted: what you enter can be read on the way`);
  }
  const config = context.config();
  const credentials = await givenCredentials(context, options);
  const api = context.apiOf({ url, credentials });
  const me = await api.get<Me>('/me');
  if (me.kind === 'anonymous') throw new CliError(EXIT.unauthenticated, `${url} took no credentials`);
  const stored = await secretToStore(api, me, credentials);
  saveConfig(context.configPath, withLogin(config, { url, user: me.name, ...stored }));
  await context.output.item({ url, user: me.name, kind: me.kind }, [
    ['server', url],
    ['name', me.name],
    ['kind', me.kind],
    ['stored in', context.configPath],
  ]);
}

async function givenCredentials(context: CommandContext, options: LoginOptions): Promise<Credentials> {
  const { terminal } = context;
  if (options.tokenStdin === true && options.passwordStdin === true) {
    throw new CliError(EXIT.usage, '--token-stdin and --password-stdin cannot be used together');
  }
  if (options.tokenStdin === true) {
    return { kind: 'bearer', token: required(await readStdin(terminal), 'token') };
  }
  if (options.passwordStdin === true) {
    if (options.user === undefined) throw new CliError(EXIT.usage, '--password-stdin needs --user');
    const password = required(await readStdin(terminal), 'password');
    return { kind: 'basic', user: options.user, password };
  }
  const token = options.user === undefined ? secretFrom(terminal.environment, 'SLUICE_TOKEN') : undefined;
  if (token !== undefined) return { kind: 'bearer', token: token.value };
  const password = secretFrom(terminal.environment, 'SLUICE_PASSWORD');
  const user = options.user ?? terminal.environment.SLUICE_USER;
  if (password !== undefined && user !== undefined) return { kind: 'basic', user, password: password.value };
  if (!isInteractive(terminal)) {
    throw new CliError(EXIT.usage, 'no credentials were given, and nobody can be asked for them', {
      hint: 'use -u USER --password-stdin, --token-stdin, SLUICE_TOKEN, or SLUICE_USER and SLUICE_PASSWORD',
    });
  }
  return {
    kind: 'basic',
    user: user ?? required(await ask(terminal, 'User: '), 'user name'),
    password: required(await ask(terminal, 'Password: ', { hidden: true }), 'password'),
  };
}

function required(text: string, what: string): string {
  if (text === '') throw new CliError(EXIT.usage, `the ${what} is empty`);
  return text;
}

/** A user's password is exchanged for a token of this machine; a token or the secret of a robot is kept as it is. */
async function secretToStore(
  api: ApiClient,
  me: Me,
  credentials: Credentials,
): Promise<Pick<StoredLogin, 'secret' | 'tokenId'>> {
  switch (credentials.kind) {
    case 'none':
      throw new CliError(EXIT.usage, 'no credentials were given');
    case 'bearer':
      return { secret: credentials.token };
    case 'basic': {
      if (me.kind !== 'user' || credentials.password.startsWith('slc_')) {
        return { secret: credentials.password };
      }
      const expiresAt = new Date(Date.now() + TOKEN_LIFETIME_DAYS * 86_400_000).toISOString();
      const created = await api.post<CreatedToken>('/tokens', { name: tokenName(), expiresAt });
      return { secret: created.secret, tokenId: created.id };
    }
  }
}

function tokenName(): string {
  return `sluice on ${hostname()}`;
}
