import { CliError } from '../cli-error.ts';
import { saveConfig, withoutLogin } from '../config/config-file.ts';
import { parseServerUrl } from '../config/server-url.ts';
import type { CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';

export async function logout(context: CommandContext, target: string | undefined): Promise<void> {
  const config = context.config();
  const given = target ?? context.options.url;
  const url = given === undefined ? config.current : parseServerUrl(given);
  const login = config.servers.find((server) => server.url === url);
  if (url === null || login === undefined) {
    throw new CliError(EXIT.notFound, `nobody is logged in${url === null ? '' : ` to ${url}`}`);
  }
  const credentials = { kind: 'basic', user: login.user, password: login.secret } as const;
  // Forgotten first: whatever becomes of the revocation, nothing is left on this machine.
  saveConfig(context.configPath, withoutLogin(config, url));
  if (login.tokenId !== undefined) await revoke(context, url, credentials, login.tokenId);
  context.output.note(`logged out of ${url}`);
}

async function revoke(
  context: CommandContext,
  url: string,
  credentials: { kind: 'basic'; user: string; password: string },
  tokenId: string,
): Promise<void> {
  try {
    await context.apiOf({ url, credentials }).delete(`/tokens/${tokenId}`);
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    // A token that is over needs no revocation.
    if (error.exitCode === EXIT.unauthenticated || error.exitCode === EXIT.notFound) return;
    context.output.warn(`the token could not be revoked: ${error.message}`);
  }
}
