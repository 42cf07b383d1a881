import type { Command } from 'commander';
import type { Bind } from '../context.ts';
import { examples } from './examples.ts';

/** Commands about who you are. */
export function defineSession(program: Command, bind: Bind): void {
  program
    .command('login')
    .summary('Log in to a server.')
    .description(
      'Checks a user and password (or a token) and stores a token for this machine, readable only by you. For a user ' +
        'it makes a personal access token, so that the password is not kept; a token or the secret of a robot is ' +
        'stored as given.',
    )
    .argument('[url]', 'server, default http://127.0.0.1:8080')
    .option('-u, --user <name>', 'user or robot name')
    .option('--password-stdin', 'read the password from standard input')
    .option('--token-stdin', 'read a token from standard input')
    .addHelpText(
      'after',
      examples(
        'sluice login http://127.0.0.1:8080 -u admin',
        'printf %s "$PASSWORD" | sluice login https://sluice.example.com -u anna --password-stdin',
        'sluice login https://sluice.example.com --token-stdin < token.txt',
      ),
    )
    .action(bind(() => import('../commands/login.ts').then((module) => module.login)));

  program
    .command('logout')
    .summary('Forget a login and revoke its token.')
    .description('Forgets a login, and revokes the token that `sluice login` made for it.')
    .argument('[url]', 'server, default the last login')
    .addHelpText('after', examples('sluice logout', 'sluice logout https://sluice.example.com'))
    .action(bind(() => import('../commands/logout.ts').then((module) => module.logout)));

  program
    .command('whoami')
    .description('Show who you are for the server.')
    .addHelpText('after', examples('sluice whoami'))
    .action(bind(() => import('../commands/whoami.ts').then((module) => module.whoami)));
}
