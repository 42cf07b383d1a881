import { type Command, Option } from 'commander';
import type { Bind } from '../context.ts';
import { count } from './artifacts.ts';
import { examples } from './examples.ts';

/** Commands about the installation: advisory data, jobs, its state. */
export function defineOperations(program: Command, bind: Bind): void {
  const db = program.command('db').description('Manage the advisory data that images are matched against.');

  db.command('import')
    .summary('Import OSV advisories from all.zip files.')
    .description(
      'Imports OSV advisories. A directory stands for every .zip below it, in the layout of the OSV distribution ' +
        '(<ecosystem>/all.zip), or for its single records (.json). Waits until all are imported.',
    )
    .argument('<path...>', 'all.zip files, single records, or directories that hold them')
    .addHelpText('after', examples('sluice db import Debian/all.zip', 'sluice db import ./osv'))
    .action(bind(() => import('../commands/db.ts').then((module) => module.importAdvisories)));

  db.command('status')
    .description('Show which advisory data is loaded and how old it is.')
    .addHelpText('after', examples('sluice db status'))
    .action(bind(() => import('../commands/db.ts').then((module) => module.advisoryStatus)));

  const jobs = program.command('jobs').description('See what the platform works on.');

  jobs
    .command('list', { isDefault: true })
    .description('List jobs, newest first.')
    .addOption(
      new Option('--state <state>', 'only jobs in this state').choices([
        'queued',
        'running',
        'succeeded',
        'failed',
        'cancelled',
      ]),
    )
    .option('--kind <kind>', 'only jobs of this kind, e.g. scan.artifact')
    .option('--limit <number>', 'how many', count, 50)
    .addHelpText('after', examples('sluice jobs', 'sluice jobs list --state failed'))
    .action(bind(() => import('../commands/jobs.ts').then((module) => module.listJobs)));

  jobs
    .command('show')
    .description('Show one job.')
    .argument('<job>', 'id (job_…)')
    .addHelpText('after', examples('sluice jobs show job_0192000000007000800000000000000a'))
    .action(bind(() => import('../commands/jobs.ts').then((module) => module.showJob)));

  jobs
    .command('cancel')
    .description('Cancel a job: a queued one at once, a running one within seconds.')
    .argument('<job>', 'id (job_…)')
    .addHelpText('after', examples('sluice jobs cancel job_0192000000007000800000000000000a'))
    .action(bind(() => import('../commands/jobs.ts').then((module) => module.cancelJob)));

  program
    .command('doctor')
    .summary('Check this machine, the connection and the server.')
    .description(
      'Checks the command, its login, the connection and, as far as your rights go, the server. Each check is ok, ' +
        'warn or fail, with a line that says how to fix it. The exit code is that of the first check that failed.',
    )
    .addHelpText('after', examples('sluice doctor', 'sluice doctor -o json'))
    .action(bind(() => import('../commands/doctor.ts').then((module) => module.doctor)));

  program
    .command('version')
    .description('Print the versions of the command and of the Node that it runs on.')
    .addHelpText('after', examples('sluice version', 'sluice version -o json'))
    .action(bind(() => import('../commands/version.ts').then((module) => module.showVersion)));
}
