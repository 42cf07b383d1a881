import type { User } from '../api/types.ts';
import { CliError } from '../cli-error.ts';
import type { CommandContext } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { ask } from '../io/prompt.ts';
import { isInteractive, readStdin } from '../io/terminal.ts';

export async function createUser(
  context: CommandContext,
  name: string,
  options: { readonly admin?: boolean; readonly email?: string; readonly passwordStdin?: boolean },
): Promise<void> {
  const password = await newPassword(context, options.passwordStdin === true);
  const user = await context.api().post<User>('/users', {
    name,
    password,
    isAdmin: options.admin === true,
    ...(options.email === undefined ? {} : { email: options.email }),
  });
  await context.output.item(user, [
    ['name', user.name],
    ['email', user.email],
    ['administrator', user.isAdmin],
    ['id', user.id],
  ]);
}

export async function listUsers(context: CommandContext): Promise<void> {
  const users = await context.api().collect<User>('/users');
  await context.output.list(
    users,
    [
      { title: 'name', value: (user) => user.name },
      { title: 'email', value: (user) => user.email },
      { title: 'administrator', value: (user) => user.isAdmin },
      { title: 'disabled', value: (user) => user.disabledAt },
      { title: 'id', value: (user) => user.id },
    ],
    'no users',
  );
}

export async function deleteUser(context: CommandContext, name: string): Promise<void> {
  const api = context.api();
  const user = await api.find<User>('/users', {}, (each) => each.name === name || each.id === name);
  if (user === undefined) {
    throw new CliError(EXIT.notFound, `there is no user ${name}`, { hint: 'see `sluice user list`' });
  }
  await api.delete(`/users/${user.id}`);
  context.output.note(`deleted user ${user.name}`);
}

async function newPassword(context: CommandContext, fromStdin: boolean): Promise<string> {
  const { terminal } = context;
  if (fromStdin) return readStdin(terminal);
  if (!isInteractive(terminal)) {
    throw new CliError(EXIT.usage, 'no password was given, and nobody can be asked for it', {
      hint: 'use --password-stdin',
    });
  }
  const password = await ask(terminal, 'Password of the new user: ', { hidden: true });
  const again = await ask(terminal, 'Once more: ', { hidden: true });
  if (password !== again) throw new CliError(EXIT.usage, 'the two passwords differ');
  return password;
}
