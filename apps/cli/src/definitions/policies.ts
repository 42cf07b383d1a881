import type { Command } from 'commander';
import type { Bind } from '../context.ts';
import { examples } from './examples.ts';

/** Commands about what must hold and whose signatures count. */
export function definePolicies(program: Command, bind: Bind): void {
  const policy = program.command('policy').description('Manage policies.');

  policy
    .command('apply')
    .summary('Create a policy or give it a new version.')
    .description('Applies a policy document. A document that is already in force changes nothing.')
    .requiredOption('-f, --file <file>', 'YAML document, - for standard input')
    .option('--node <path>', 'group or project; without it the whole installation (admins)')
    .addHelpText(
      'after',
      examples(
        'sluice policy apply -f release.yaml --node team/app',
        'sluice policy apply -f - < default.yaml',
      ),
    )
    .action(bind(() => import('../commands/policy.ts').then((module) => module.applyPolicy)));

  policy
    .command('check')
    .summary('Check a policy document without a server.')
    .description('Checks a policy document and lists every fault. Needs no server.')
    .requiredOption('-f, --file <file>', 'YAML document, - for standard input')
    .addHelpText('after', examples('sluice policy check -f release.yaml'))
    .action(bind(() => import('../commands/policy.ts').then((module) => module.checkPolicy)));

  policy
    .command('list')
    .description('List the policies that hold for a node, or all that you may read.')
    .option('--node <path>', 'group or project')
    .addHelpText('after', examples('sluice policy list', 'sluice policy list --node team/app'))
    .action(bind(() => import('../commands/policy.ts').then((module) => module.listPolicies)));

  policy
    .command('show')
    .description('Show a policy and its document.')
    .argument('<policy>', 'id (pol_…), or name')
    .option('--node <path>', 'where the name is looked up')
    .addHelpText('after', examples('sluice policy show release --node team/app'))
    .action(bind(() => import('../commands/policy.ts').then((module) => module.showPolicy)));

  policy
    .command('delete')
    .description('Delete a policy. Verdicts are judged again without it.')
    .argument('<policy>', 'id (pol_…), or name')
    .option('--node <path>', 'where the name is looked up')
    .addHelpText('after', examples('sluice policy delete release --node team/app'))
    .action(bind(() => import('../commands/policy.ts').then((module) => module.deletePolicy)));

  const trust = program.command('trust').description('Manage the keys whose signatures count.');

  trust
    .command('add')
    .summary('Trust a public key for a group or project.')
    .description('Trusts a public key for a group or project and everything below it.')
    .argument('<file>', 'public key in PEM (cosign.pub), - for standard input')
    .requiredOption('--node <path>', 'group or project for which it counts')
    .requiredOption('--name <name>', 'name of the key, which policies can demand')
    .addHelpText('after', examples('sluice trust add --node team/app --name release cosign.pub'))
    .action(bind(() => import('../commands/trust.ts').then((module) => module.addTrustedKey)));

  trust
    .command('list')
    .description('List the keys that are trusted for a node, or all that you may read.')
    .option('--node <path>', 'group or project')
    .addHelpText('after', examples('sluice trust list', 'sluice trust list --node team/app'))
    .action(bind(() => import('../commands/trust.ts').then((module) => module.listTrustedKeys)));

  trust
    .command('remove')
    .summary('Trust a key no more.')
    .description('Removes a trusted key. Signatures that only this key verified count no more.')
    .argument('<key>', 'id (key_…), or name')
    .option('--node <path>', 'where the name is looked up')
    .addHelpText('after', examples('sluice trust remove release --node team/app'))
    .action(bind(() => import('../commands/trust.ts').then((module) => module.removeTrustedKey)));
}
