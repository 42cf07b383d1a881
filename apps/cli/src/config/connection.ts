import { readFileSync } from 'node:fs';
import { CliError } from '../cli-error.ts';
import { EXIT } from '../exit-codes.ts';
import { type CliConfig, type StoredLogin } from './config-file.ts';
import { parseServerUrl, registryHost } from './server-url.ts';

/** How a command shows who it is. Basic takes a user's password as well as a token or a robot's secret. */
export type Credentials =
  | { readonly kind: 'none' }
  | { readonly kind: 'bearer'; readonly token: string }
  | { readonly kind: 'basic'; readonly user: string; readonly password: string };

export interface Connection {
  readonly url: string;
  readonly credentials: Credentials;
  /** Where the credentials come from, in words for `sluice doctor`. */
  readonly source: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Decides which server is meant: `--url`, then SLUICE_URL, then the login whose registry the reference names, then
 * the last login.
 *
 * @param reference an image reference that the command is about; its host chooses among the logins
 * @returns null when nothing says which
 */
export function chooseServer(
  config: CliConfig,
  environment: Environment,
  options: { url?: string | undefined; reference?: string | undefined },
): string | null {
  const given = options.url ?? nonEmpty(environment.SLUICE_URL);
  if (given !== undefined) return parseServerUrl(given);
  const named = config.servers.find(
    (server) => options.reference?.startsWith(`${registryHost(server.url)}/`) === true,
  );
  return named?.url ?? config.current;
}

/** Credentials for a server: the environment first, then what `sluice login` stored for it. */
export function credentialsFor(
  config: CliConfig,
  environment: Environment,
  url: string,
): Pick<Connection, 'credentials' | 'source'> {
  const token = secretFrom(environment, 'SLUICE_TOKEN');
  if (token !== undefined) {
    return { credentials: { kind: 'bearer', token: token.value }, source: token.source };
  }
  const password = secretFrom(environment, 'SLUICE_PASSWORD');
  const user = nonEmpty(environment.SLUICE_USER);
  if (password !== undefined && user !== undefined) {
    const credentials = { kind: 'basic', user, password: password.value } as const;
    return { credentials, source: `SLUICE_USER and ${password.source}` };
  }
  if (password !== undefined || user !== undefined) {
    throw new CliError(EXIT.usage, 'SLUICE_USER and SLUICE_PASSWORD go together: set both or neither');
  }
  const login = config.servers.find((server) => server.url === url);
  if (login === undefined) return { credentials: { kind: 'none' }, source: 'none' };
  return { credentials: storedCredentials(login), source: `the login of ${login.user}` };
}

/** Basic, because it holds for every secret that a login may store: a token as well as a robot's. */
function storedCredentials(login: StoredLogin): Credentials {
  return { kind: 'basic', user: login.user, password: login.secret };
}

/** A secret from `NAME`, or from the file that `NAME_FILE` names. */
export function secretFrom(
  environment: Environment,
  name: string,
): { value: string; source: string } | undefined {
  const value = nonEmpty(environment[name]);
  const path = nonEmpty(environment[`${name}_FILE`]);
  if (value !== undefined && path !== undefined) {
    throw new CliError(EXIT.usage, `set ${name} or ${name}_FILE, not both`);
  }
  if (value !== undefined) return { value, source: name };
  if (path === undefined) return undefined;
  try {
    const text = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
    if (text === '') throw new Error('the file is empty');
    return { value: text, source: `${name}_FILE` };
  } catch (error) {
    throw new CliError(EXIT.usage, `cannot read ${name}_FILE: ${(error as Error).message}`, { cause: error });
  }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : text;
}
