import { type Command, Option } from 'commander';
import type { Bind } from '../context.ts';
import { time } from '../io/arguments.ts';
import { examples } from './examples.ts';

const VISIBILITIES = ['private', 'internal', 'public'];
const ROLES = ['guest', 'reporter', 'developer', 'maintainer', 'owner'];

/** Commands about projects and who may do what in them. */
export function defineAccess(program: Command, bind: Bind): void {
  const project = program.command('project').description('Manage projects.');

  project
    .command('create')
    .summary('Create a project.')
    .description('Creates a project, and the groups that are missing on the way.')
    .argument('<path>', 'path, e.g. team/app')
    .addOption(
      new Option('--visibility <visibility>', 'who may pull without a grant')
        .choices(VISIBILITIES)
        .default('private'),
    )
    .addHelpText(
      'after',
      examples('sluice project create team/app', 'sluice project create team/base --visibility internal'),
    )
    .action(bind(() => import('../commands/project.ts').then((module) => module.createProject)));

  project
    .command('list')
    .description('List the projects that you may see.')
    .option('--under <path>', 'only below this group')
    .addHelpText('after', examples('sluice project list', 'sluice project list --under team'))
    .action(bind(() => import('../commands/project.ts').then((module) => module.listProjects)));

  project
    .command('show')
    .description('Show a project and its repositories.')
    .argument('<path>', 'path, e.g. team/app')
    .addHelpText('after', examples('sluice project show team/app'))
    .action(bind(() => import('../commands/project.ts').then((module) => module.showProject)));

  project
    .command('update')
    .summary('Change the settings of a project.')
    .description('Changes what is given and leaves the rest.')
    .argument('<path>', 'path, e.g. team/app')
    .addOption(new Option('--visibility <visibility>', 'who may pull without a grant').choices(VISIBILITIES))
    .addOption(
      new Option('--missing-blobs <action>', 'what to do with an image that comes before its blobs').choices([
        'refuse',
        'accept',
      ]),
    )
    .addOption(
      new Option('--blob-downloads <way>', 'from Sluice, or redirected to the object store').choices([
        'proxy',
        'redirect',
      ]),
    )
    .addHelpText('after', examples('sluice project update team/app --blob-downloads redirect'))
    .action(bind(() => import('../commands/project.ts').then((module) => module.updateProject)));

  project
    .command('delete')
    .description('Delete an empty project.')
    .argument('<path>', 'path, e.g. team/app')
    .addHelpText('after', examples('sluice project delete team/app'))
    .action(bind(() => import('../commands/project.ts').then((module) => module.deleteProject)));

  const grant = program.command('grant').description('Manage who has which role.');

  grant
    .command('add')
    .summary('Give a principal a role on a project or group.')
    .description('Gives a principal a role on a project or group, and on everything below it.')
    .argument('<node>', 'path of the project or group')
    .argument('<principal>', 'user or robot name')
    .addArgument(program.createArgument('<role>', 'role').choices(ROLES))
    .addOption(new Option('--expires-in <time>', 'when it ends, e.g. 30d').argParser(time))
    .addHelpText(
      'after',
      examples(
        'sluice grant add team/app anna developer',
        'sluice grant add team bob reporter --expires-in 30d',
      ),
    )
    .action(bind(() => import('../commands/grant.ts').then((module) => module.addGrant)));

  grant
    .command('list')
    .description('List who has which role on a project or group, inherited ones too.')
    .argument('<node>', 'path of the project or group')
    .addHelpText('after', examples('sluice grant list team/app'))
    .action(bind(() => import('../commands/grant.ts').then((module) => module.listGrants)));

  grant
    .command('remove')
    .description('Take a role from a principal.')
    .argument('<node>', 'path of the project or group')
    .argument('<principal>', 'user or robot name')
    .addHelpText('after', examples('sluice grant remove team/app anna'))
    .action(bind(() => import('../commands/grant.ts').then((module) => module.removeGrant)));

  const user = program.command('user').description('Manage local users (admins).');

  user
    .command('create')
    .summary('Create a local user.')
    .description('Creates a local user. The password is asked for, or read from standard input.')
    .argument('<name>', 'user name')
    .option('--email <address>', 'e-mail address')
    .option('--admin', 'make it an administrator')
    .option('--password-stdin', 'read the password from standard input')
    .addHelpText(
      'after',
      examples('sluice user create anna', 'sluice user create anna --password-stdin < password.txt'),
    )
    .action(bind(() => import('../commands/user.ts').then((module) => module.createUser)));

  user
    .command('list')
    .description('List the users.')
    .addHelpText('after', examples('sluice user list'))
    .action(bind(() => import('../commands/user.ts').then((module) => module.listUsers)));

  user
    .command('delete')
    .description('Delete a user. Its tokens end at once.')
    .argument('<name>', 'user name, or id (usr_…)')
    .addHelpText('after', examples('sluice user delete anna'))
    .action(bind(() => import('../commands/user.ts').then((module) => module.deleteUser)));

  const binding = program
    .command('ci-binding')
    .description('Manage which GitLab projects may push by their CI jobs, without any stored secret.');

  binding
    .command('create')
    .summary("Give a GitLab project's CI jobs a role on a project or group.")
    .description(
      "Gives the CI jobs of a GitLab project a role on a project or group. Jobs log in as `gitlab-ci` with GitLab's " +
        'id_token. The number of the GitLab project is what counts; its path is for people.',
    )
    .argument('<node>', 'path of the project or group')
    .requiredOption('--gitlab-project <number>', 'number of the GitLab project')
    .requiredOption('--gitlab-path <path>', 'path of the GitLab project')
    .option('--gitlab <url>', 'which GitLab, where several are configured')
    .addOption(new Option('--role <role>', 'what the jobs may do').choices(ROLES).default('developer'))
    .option('--protected', 'only jobs on protected branches and tags')
    .addHelpText(
      'after',
      examples(
        'sluice ci-binding create team/app --gitlab-project 42 --gitlab-path team/app',
        'sluice ci-binding create team/app --gitlab-project 42 --gitlab-path team/app --protected',
      ),
    )
    .action(bind(() => import('../commands/ci-binding.ts').then((module) => module.createCiBinding)));

  binding
    .command('list')
    .description('List the CI bindings of a project or group.')
    .argument('<node>', 'path of the project or group')
    .addHelpText('after', examples('sluice ci-binding list team/app'))
    .action(bind(() => import('../commands/ci-binding.ts').then((module) => module.listCiBindings)));

  binding
    .command('delete')
    .description('Delete a CI binding. Tokens of running jobs end at once.')
    .argument('<binding>', 'id (cib_…)')
    .addHelpText('after', examples('sluice ci-binding delete cib_0192000000007000800000000000000a'))
    .action(bind(() => import('../commands/ci-binding.ts').then((module) => module.deleteCiBinding)));
}
