import { Command, Option } from 'commander';
import type { Bind } from './context.ts';
import { defineAccess } from './definitions/access.ts';
import { defineArtifacts } from './definitions/artifacts.ts';
import { defineOperations } from './definitions/operations.ts';
import { defineStorage } from './definitions/storage.ts';
import { definePolicies } from './definitions/policies.ts';
import { defineRobots } from './definitions/robots.ts';
import { defineSession } from './definitions/session.ts';
import { OUTPUT_FORMATS } from './io/output.ts';
import { cliVersion } from './version.ts';

export interface ProgramStreams {
  readonly writeOut: (text: string) => void;
  readonly writeErr: (text: string) => void;
}

const EXIT_CODES = `
Exit codes:
  0 done, or green    3 red                          6 not found         9 verification failed
  1 internal fault    4 amber with --fail-on amber   7 unauthenticated  10 conflict
  2 usage             5 still pending at timeout     8 forbidden        11 server unreachable

Environment:
  SLUICE_URL                      server, instead of the last login
  SLUICE_TOKEN, SLUICE_TOKEN_FILE token, instead of the stored login
  SLUICE_USER, SLUICE_PASSWORD    user name and password or robot secret
  NO_COLOR                        no colours
  NODE_EXTRA_CA_CERTS             file with further CA certificates`;

/** The whole command tree. Handlers are loaded when their command runs, so that `sluice --help` loads none. */
export function buildProgram(bind: Bind, streams: ProgramStreams): Command {
  const program = new Command('sluice')
    .description('The command line of Sluice, the OCI registry that is a gate.')
    .version(cliVersion(), '-V, --version', 'print the version of the command')
    .addOption(
      new Option('-o, --output <format>', 'form of the data on stdout')
        .choices(OUTPUT_FORMATS)
        .default('table'),
    )
    .option('--url <url>', 'server to talk to')
    .option('-q, --quiet', 'no progress and no remarks on stderr')
    .addHelpText('after', EXIT_CODES)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: streams.writeOut, writeErr: streams.writeErr })
    .showSuggestionAfterError()
    .showHelpAfterError('(add --help for the usage)')
    .exitOverride();
  defineSession(program, bind);
  defineAccess(program, bind);
  defineRobots(program, bind);
  defineArtifacts(program, bind);
  definePolicies(program, bind);
  defineOperations(program, bind);
  defineStorage(program, bind);
  return program;
}
