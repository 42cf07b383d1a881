import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse, stringify } from 'yaml';
import { CliError } from '../cli-error.ts';
import { EXIT } from '../exit-codes.ts';

/** One server that somebody logged in to. */
export interface StoredLogin {
  /** Origin and path prefix, without a slash at the end. */
  readonly url: string;
  readonly user: string;
  /** A personal access token, or the secret of a robot. */
  readonly secret: string;
  /** Id of the token when `sluice login` made it; `sluice logout` revokes it then. */
  readonly tokenId?: string;
}

export interface CliConfig {
  /** URL of the server that is meant when a command names none. */
  readonly current: string | null;
  readonly servers: readonly StoredLogin[];
}

const EMPTY: CliConfig = { current: null, servers: [] };

/** `$XDG_CONFIG_HOME/sluice/config.yaml`, `~/.config` where that is not set (XDG base directory specification). */
export function configPath(environment: Readonly<Record<string, string | undefined>>): string {
  const base = environment.XDG_CONFIG_HOME;
  const home = environment.HOME ?? homedir();
  // The specification tells programs to ignore relative paths.
  const directory = base?.startsWith('/') === true ? base : join(home, '.config');
  return join(directory, 'sluice', 'config.yaml');
}

/** @throws CliError usage when the file is there and is not a configuration */
export function loadConfig(path: string): CliConfig {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return EMPTY;
    throw new CliError(EXIT.usage, `cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
  try {
    return checked(parse(text, { maxAliasCount: 0 }));
  } catch (error) {
    // The message of a YAML fault quotes the line, which may hold a secret.
    throw new CliError(EXIT.usage, `${path} is not a configuration of sluice`, {
      hint: 'correct it, or remove it and log in again',
      cause: error,
    });
  }
}

/**
 * Writes the configuration so that only its owner can read it. A reader sees the old or the new file, never a part.
 */
export function saveConfig(path: string, config: CliConfig): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}.new`;
  try {
    writeFileSync(draft, stringify(config), { mode: 0o600, flag: 'wx' });
    // The umask may take bits from the mode of a new file but never adds any; this is for platforms that ignore it.
    chmodSync(draft, 0o600);
    renameSync(draft, path);
  } catch (error) {
    rmSync(draft, { force: true });
    throw new CliError(EXIT.internal, `cannot write ${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** Permission bits beyond the owner's, null when there is no file. */
export function foreignPermissions(path: string): number | null {
  try {
    return statSync(path).mode & 0o077;
  } catch {
    return null;
  }
}

export function withLogin(config: CliConfig, login: StoredLogin): CliConfig {
  return {
    current: login.url,
    servers: [...config.servers.filter((server) => server.url !== login.url), login],
  };
}

export function withoutLogin(config: CliConfig, url: string): CliConfig {
  const servers = config.servers.filter((server) => server.url !== url);
  return { current: config.current === url ? (servers[0]?.url ?? null) : config.current, servers };
}

function checked(document: unknown): CliConfig {
  if (document === null) return EMPTY;
  if (!isRecord(document) || !Array.isArray(document.servers)) throw new Error('expected `servers`');
  const servers = document.servers.map((entry: unknown) => {
    if (!isRecord(entry)) throw new Error('expected a mapping for each server');
    const { url, user, secret, tokenId } = entry;
    if (typeof url !== 'string' || typeof user !== 'string' || typeof secret !== 'string') {
      throw new Error('a server needs url, user and secret');
    }
    return { url, user, secret, ...(typeof tokenId === 'string' ? { tokenId } : {}) };
  });
  return { current: typeof document.current === 'string' ? document.current : null, servers };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
