import type { Command } from 'commander';
import type { Bind } from '../context.ts';
import { examples } from './examples.ts';

const FILE = '--file <path>';
const FILE_HELP = 'key file, as SLUICE_ENCRYPTION_KEY_FILE names it';

/** Commands about the keys that blobs are encrypted under. */
export function defineStorage(program: Command, bind: Bind): void {
  const storage = program.command('storage').description('Manage the keys that blobs are encrypted under.');

  storage
    .command('status')
    .description('Show every key, its state, and how much of what is stored needs it.')
    .addHelpText('after', examples('sluice storage status', 'sluice storage status -o json'))
    .action(bind(() => import('../commands/storage.ts').then((module) => module.storageStatus)));

  storage
    .command('rewrap')
    .summary('Put everything under the active keys.')
    .description(
      'Encrypts the data key of every stored object with the active key of its domain. Content is neither read nor ' +
        'written. Waits until it is done; may be interrupted and repeated.',
    )
    .addHelpText('after', examples('sluice storage rewrap'))
    .action(bind(() => import('../commands/storage.ts').then((module) => module.rewrapStorage)));

  const key = storage.command('key').description('Change a key file. No server is asked.');

  key
    .command('add')
    .summary('Add a new random key.')
    .description(
      'Adds a new random key, and makes the file if there is none. The first key of a domain is active at once; ' +
        'others are for reading until they are activated.',
    )
    .argument('<id>', 'name of the key, e.g. the month')
    .requiredOption(FILE, FILE_HELP)
    .option('--domain <name>', 'key domain that it belongs to')
    .addHelpText(
      'after',
      examples(
        'sluice storage key add 2026-11 --file storage-keys.json',
        'sluice storage key add acme-1 --domain acme --file storage-keys.json',
      ),
    )
    .action(bind(() => import('../commands/storage-key.ts').then((module) => module.addStorageKey)));

  key
    .command('activate')
    .description('Encrypt with this key from now on. The one before it stays for reading.')
    .argument('<id>', 'name of the key')
    .requiredOption(FILE, FILE_HELP)
    .addHelpText('after', examples('sluice storage key activate 2026-11 --file storage-keys.json'))
    .action(bind(() => import('../commands/storage-key.ts').then((module) => module.activateStorageKey)));

  key
    .command('destroy')
    .summary('Forget a key for ever.')
    .description(
      'Removes the secret of a key from the file. What is still encrypted under it can never be read again: see ' +
        '`sluice storage status` first.',
    )
    .argument('<id>', 'name of the key')
    .requiredOption(FILE, FILE_HELP)
    .requiredOption('--yes', 'say that it is meant')
    .addHelpText('after', examples('sluice storage key destroy 2025-11 --yes --file storage-keys.json'))
    .action(bind(() => import('../commands/storage-key.ts').then((module) => module.destroyStorageKey)));

  const domain = storage.command('domain').description('Give groups and projects keys of their own.');

  domain
    .command('set')
    .summary('Give a group or project a key domain.')
    .description(
      'Encrypts what is pushed to a group or project, and to everything below it, under the keys of a domain, and ' +
        'stores it apart from everything else. Only before the first push.',
    )
    .argument('<path>', 'group or project')
    .argument('<domain>', 'key domain that the key file has an active key for')
    .addHelpText('after', examples('sluice storage domain set acme acme'))
    .action(bind(() => import('../commands/storage.ts').then((module) => module.setKeyDomain)));

  domain
    .command('clear')
    .description('Take the key domain of a group or project back. Only before the first push.')
    .argument('<path>', 'group or project')
    .addHelpText('after', examples('sluice storage domain clear acme'))
    .action(bind(() => import('../commands/storage.ts').then((module) => module.clearKeyDomain)));
}
