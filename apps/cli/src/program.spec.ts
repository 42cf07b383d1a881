import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import type { Bind } from './context.ts';
import { normaliseArguments } from './normalise-arguments.ts';
import { buildProgram } from './program.ts';

const DOCUMENT = readFileSync(new URL('../../../docs/cli.md', import.meta.url), 'utf8');

/** The command tree with handlers that only note that they were reached. */
function program(reached: string[] = [], output: string[] = []): Command {
  const bind: Bind =
    () =>
    async (...raw: unknown[]) => {
      reached.push(pathOf(raw.at(-1) as Command));
    };
  const note = (text: string) => void output.push(text);
  return buildProgram(bind, { writeOut: note, writeErr: note });
}

function leaves(command: Command): Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

/** The part of a shell line that is the command: no variables before it, no pipes and redirections. */
function argvOf(line: string): string[] {
  const [, rest = ''] = /(?:^|\s)sluice (.*)$/.exec(line) ?? [];
  const [words = ''] = rest.split(/ [<>|] /);
  return words.split(' ').filter((word) => word !== '');
}

async function pathReachedBy(line: string): Promise<string> {
  const reached: string[] = [];
  const output: string[] = [];
  await program(reached, output)
    .parseAsync(normaliseArguments(argvOf(line)), { from: 'user' })
    .catch((error: Error) => output.push(error.message));
  return reached[0] ?? output.join(' ');
}

const commands = leaves(program());

describe('docs/cli.md', () => {
  it('describes every command, and none that does not exist', () => {
    const headings = [...DOCUMENT.matchAll(/^### `(.+)`$/gm)].map((match) => match[1]);
    expect(headings.toSorted()).toEqual(commands.map(pathOf).toSorted());
  });

  it('has an example under each heading, and every example is a valid command line of it', async () => {
    const sections = [...DOCUMENT.matchAll(/^### `(.+)`\n([\s\S]*?)(?=^##|$(?![\s\S]))/gm)];
    expect(sections.length).toBe(commands.length);
    for (const [, heading = '', text = ''] of sections) {
      const lines = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].flatMap((match) =>
        match[1]?.trim().split('\n'),
      );
      expect(lines.length, heading).toBeGreaterThan(0);
      for (const line of lines) expect(await pathReachedBy(line ?? ''), line).toBe(heading);
    }
  });

  it('names every exit code', async () => {
    const { EXIT } = await import('./exit-codes.ts');
    for (const code of Object.values(EXIT)) expect(DOCUMENT).toMatch(new RegExp(`^\\| ${code} \\|`, 'm'));
  });
});

describe('the help of a command', () => {
  it.each(commands.map((command) => [pathOf(command), command] as const))(
    'shows valid examples of %s',
    async (path, command) => {
      let help = '';
      command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
      const lines = help.split('\n').filter((line) => line.startsWith('  $ '));
      expect(lines.length).toBeGreaterThan(0);
      for (const line of lines) expect(await pathReachedBy(line.slice(4)), line).toBe(path);
    },
  );

  it('describes every command, argument and option', () => {
    for (const command of commands) {
      expect(command.description(), pathOf(command)).not.toBe('');
      for (const argument of command.registeredArguments)
        expect(argument.description, pathOf(command)).not.toBe('');
      for (const option of command.options) expect(option.description, pathOf(command)).not.toBe('');
    }
  });
});
