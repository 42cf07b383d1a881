import { arch, platform } from 'node:os';
import { ApiClient } from './api/client.ts';
import { CliError } from './cli-error.ts';
import { type CliConfig, configPath, loadConfig } from './config/config-file.ts';
import { chooseServer, type Connection, credentialsFor } from './config/connection.ts';
import { EXIT, type ExitCode } from './exit-codes.ts';
import { Output, type OutputFormat } from './io/output.ts';
import { Progress } from './io/progress.ts';
import type { Terminal } from './io/terminal.ts';
import { cliVersion } from './version.ts';

/** Options that every command takes. */
export interface GlobalOptions {
  readonly output: OutputFormat;
  readonly url?: string;
  readonly quiet?: boolean;
}

/** What a command works with. */
export class CommandContext {
  readonly terminal: Terminal;
  readonly output: Output;
  readonly progress: Progress;
  readonly options: GlobalOptions;
  readonly configPath: string;

  constructor(terminal: Terminal, options: GlobalOptions) {
    this.terminal = terminal;
    this.options = options;
    this.output = new Output(terminal, options.output, options.quiet === true);
    this.progress = new Progress(terminal, options.quiet === true);
    this.configPath = configPath(terminal.environment);
  }

  config(): CliConfig {
    return loadConfig(this.configPath);
  }

  /**
   * Server and credentials for this command.
   *
   * @throws CliError usage when nothing says which server is meant
   */
  connection(reference?: string): Connection {
    const config = this.config();
    const { environment } = this.terminal;
    const url = chooseServer(config, environment, { url: this.options.url, reference });
    if (url === null) {
      throw new CliError(EXIT.usage, 'no server is known', {
        hint: 'run `sluice login URL`, or set SLUICE_URL and SLUICE_TOKEN',
      });
    }
    return { url, ...credentialsFor(config, environment, url) };
  }

  /** The API of the server that is meant, see {@link connection}. */
  api(reference?: string): ApiClient {
    return this.apiOf(this.connection(reference));
  }

  apiOf(connection: Pick<Connection, 'url' | 'credentials'>): ApiClient {
    return new ApiClient({ ...connection, userAgent: userAgent() });
  }
}

/** What a command does. It returns an exit code when that is not simply "done". */
export type Handler<Args extends unknown[]> = (
  context: CommandContext,
  ...args: Args
) => Promise<ExitCode | void>;

/** Makes the action of a command from its handler, which is loaded only when the command runs. */
export type Bind = <Args extends unknown[]>(
  load: () => Promise<Handler<Args>>,
) => (...raw: unknown[]) => Promise<void>;

export function userAgent(): string {
  return `sluice-cli/${cliVersion()} (${platform()}; ${arch()}; node ${process.versions.node})`;
}
