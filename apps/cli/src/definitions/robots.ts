import { type Command, Option } from 'commander';
import type { Bind } from '../context.ts';
import { several, time } from '../io/arguments.ts';
import { examples } from './examples.ts';

const ROLES = ['guest', 'reporter', 'developer', 'maintainer'];
const NODE = 'path of the project or group';
const NAME = 'name of the robot, or its id (rob_…)';

/** Commands about the accounts of machines. */
export function defineRobots(program: Command, bind: Bind): void {
  const robot = program.command('robot').description('Manage robots, the accounts of machines.');

  robot
    .command('create')
    .summary('Create a robot and print its secret, once.')
    .description(
      'Creates a robot of a project or group, with a role there and in everything below. Its secret is printed once and cannot be shown again.',
    )
    .argument('<node>', NODE)
    .argument('<name>', 'name of the robot')
    .addOption(new Option('--role <role>', 'what it may do').choices(ROLES).default('reporter'))
    .addOption(scopeOption())
    .addOption(new Option('--expires-in <time>', 'when it ends, e.g. 90d').argParser(time))
    .addHelpText(
      'after',
      examples(
        'sluice robot create team/app deploy --role reporter --expires-in 90d',
        'sluice robot create team cluster --scope repository:team/prod/*:pull',
        'sluice robot create team/app ci --role developer -o json',
      ),
    )
    .action(bind(() => import('../commands/robot.ts').then((module) => module.createRobot)));

  robot
    .command('list')
    .description('List the robots of a project or group.')
    .argument('<node>', NODE)
    .addHelpText('after', examples('sluice robot list team/app'))
    .action(bind(() => import('../commands/robot.ts').then((module) => module.listRobots)));

  robot
    .command('update')
    .summary('Disable or enable a robot, or change when it ends.')
    .description('Changes what is given and leaves the rest. A disabled robot is out at once, everywhere.')
    .argument('<node>', NODE)
    .argument('<name>', NAME)
    .addOption(new Option('--disable', 'let it in no more').conflicts('enable'))
    .addOption(new Option('--enable', 'let it in again'))
    .addOption(
      new Option('--expires-in <time>', 'when it ends, e.g. 90d').argParser(time).conflicts('neverExpires'),
    )
    .addOption(new Option('--never-expires', 'it ends no more; its secrets still do'))
    .addHelpText(
      'after',
      examples(
        'sluice robot update team/app deploy --disable',
        'sluice robot update team deploy --expires-in 30d',
      ),
    )
    .action(bind(() => import('../commands/robot.ts').then((module) => module.updateRobot)));

  robot
    .command('delete')
    .description('Delete a robot. Its secrets and tokens end at once.')
    .argument('<node>', NODE)
    .argument('<name>', NAME)
    .addHelpText('after', examples('sluice robot delete team/app deploy'))
    .action(bind(() => import('../commands/robot.ts').then((module) => module.deleteRobot)));

  defineSecrets(robot, bind);
}

function defineSecrets(robot: Command, bind: Bind): void {
  const secret = robot.command('secret').description('Manage the secrets of a robot: two can be alive.');

  secret
    .command('create')
    .summary('Create a second secret, to roll it out before the first one ends.')
    .description('Creates a second secret, limited like the newest unless said, and prints it once.')
    .argument('<node>', NODE)
    .argument('<name>', NAME)
    .addOption(scopeOption())
    .addOption(new Option('--expires-in <time>', 'when it ends, e.g. 90d (default: 365d)').argParser(time))
    .addHelpText('after', examples('sluice robot secret create team/app deploy --expires-in 90d'))
    .action(bind(() => import('../commands/robot-secret.ts').then((module) => module.createSecret)));

  secret
    .command('list')
    .description('List the secrets of a robot, without the secrets themselves.')
    .argument('<node>', NODE)
    .argument('<name>', NAME)
    .addHelpText('after', examples('sluice robot secret list team/app deploy'))
    .action(bind(() => import('../commands/robot-secret.ts').then((module) => module.listSecrets)));

  secret
    .command('revoke')
    .description('End a secret at once.')
    .argument('<node>', NODE)
    .argument('<name>', NAME)
    .argument('<secret>', 'id of the secret (sec_…)')
    .addHelpText(
      'after',
      examples('sluice robot secret revoke team/app deploy sec_0192000000007000800000000000000a'),
    )
    .action(bind(() => import('../commands/robot-secret.ts').then((module) => module.revokeSecret)));
}

function scopeOption(): Option {
  const text = 'limit the secret, e.g. repository:team/app/*:pull,push; may be given several times';
  return new Option('--scope <scope>', text).argParser(several);
}
