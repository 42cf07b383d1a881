import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Bind } from '../context.ts';
import { parseDuration } from '../io/duration.ts';
import { DEFAULT_WAIT } from '../normalise-arguments.ts';
import { examples } from './examples.ts';

const REF = 'image reference: [HOST/]REPOSITORY[:TAG|@DIGEST]';

/** Commands about one artifact: its verdict and what the verdict rests on. */
export function defineArtifacts(program: Command, bind: Bind): void {
  program
    .command('verdict')
    .summary('Show whether an artifact may be pulled.')
    .description(
      'Shows the verdict of an artifact. The exit code says it too: 0 green or amber, 3 red, 5 pending.',
    )
    .argument('<ref>', REF)
    .addOption(
      new Option(
        '--wait [time]',
        `wait until the verdict is there, at most this long (${DEFAULT_WAIT})`,
      ).argParser(time),
    )
    .addOption(
      new Option('--fail-on <state>', 'least state that ends in a non-zero exit code')
        .choices(['red', 'amber'])
        .default('red'),
    )
    .addHelpText(
      'after',
      examples(
        'sluice verdict team/app/web:1.0',
        'sluice verdict --wait --fail-on amber team/app/web:1.0',
        'sluice verdict --wait=2m -o json 127.0.0.1:8080/team/app/web:1.0',
      ),
    )
    .action(bind(() => import('../commands/verdict.ts').then((module) => module.verdict)));

  program
    .command('explain')
    .summary('Show every rule: what it expects, what was found, who can fix it.')
    .description(
      'Explains the verdict of an artifact, rule by rule. The exit code does not depend on the verdict.',
    )
    .argument('<ref>', REF)
    .addHelpText('after', examples('sluice explain team/app/web:1.0'))
    .action(bind(() => import('../commands/explain.ts').then((module) => module.explain)));

  program
    .command('findings')
    .summary('List the vulnerabilities of an artifact.')
    .description('Lists the vulnerabilities that were found in the packages of an artifact.')
    .argument('<ref>', REF)
    .option('--severity <list>', 'only these, e.g. critical,high')
    .option('--fixable', 'only those for which a fixed version is published')
    .addHelpText(
      'after',
      examples(
        'sluice findings --severity critical,high --fixable team/app/web:1.0',
        'sluice findings -o json team/app/web:1.0',
      ),
    )
    .action(bind(() => import('../commands/findings.ts').then((module) => module.findings)));

  program
    .command('sbom')
    .summary('Print the software bill of materials (CycloneDX 1.6, JSON).')
    .description('Prints the software bill of materials of an artifact as CycloneDX 1.6 in JSON.')
    .argument('<ref>', REF)
    .addHelpText('after', examples('sluice sbom team/app/web:1.0 > web.cdx.json'))
    .action(bind(() => import('../commands/sbom.ts').then((module) => module.sbom)));

  program
    .command('sign')
    .summary('Sign an artifact with a cosign key.')
    .description(
      'Signs an artifact as cosign does, with a key pair that `cosign generate-key-pair` made. The password of the ' +
        'key is read from COSIGN_PASSWORD.',
    )
    .argument('<ref>', REF)
    .requiredOption('--key <file>', 'private key (cosign.key)')
    .addOption(
      new Option('--format <format>', 'signature as a tag (legacy), as a referrer (bundle), or both')
        .choices(['legacy', 'bundle', 'both'])
        .default('both'),
    )
    .addHelpText('after', examples('COSIGN_PASSWORD=… sluice sign --key cosign.key team/app/web:1.0'))
    .action(bind(() => import('../commands/sign.ts').then((module) => module.signArtifact)));

  program
    .command('key')
    .description('Manage key pairs for signing.')
    .command('generate')
    .summary('Make a key pair as `cosign generate-key-pair` does.')
    .description(
      'Makes a key pair (ECDSA P-256) in the files that cosign reads: PREFIX.key, encrypted with the password in ' +
        'COSIGN_PASSWORD, and PREFIX.pub. Existing files stay.',
    )
    .option('--prefix <path>', 'beginning of the file names', 'cosign')
    .addHelpText(
      'after',
      examples('COSIGN_PASSWORD=… sluice key generate', 'sluice key generate --prefix release'),
    )
    .action(bind(() => import('../commands/key.ts').then((module) => module.generateKey)));

  program
    .command('denials')
    .summary('List refused pulls.')
    .description(
      'Lists pulls that a verdict refused, newest first. Without a repository or node, all of them (admins).',
    )
    .option('--repository <name>', 'only this repository')
    .option('--node <path>', 'only below this project or group')
    .option('--limit <number>', 'how many', count, 50)
    .addHelpText('after', examples('sluice denials', 'sluice denials --repository team/app/web'))
    .action(bind(() => import('../commands/denials.ts').then((module) => module.denials)));
}

function time(text: string): number {
  const seconds = parseDuration(text);
  if (seconds === undefined) throw new InvalidArgumentError('Expected a time such as 90s, 10m or 1h.');
  return seconds;
}

export function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('Expected a whole number from 1.');
  return value;
}
