import type { Me } from '../api/types.ts';
import type { CommandContext } from '../context.ts';

export async function whoami(context: CommandContext): Promise<void> {
  const connection = context.connection();
  const me = await context.apiOf(connection).get<Me>('/me');
  await context.output.item(me, [
    ['server', connection.url],
    ['name', me.name],
    ['kind', me.kind],
    ['administrator', me.isAdmin === true],
    ['by', connection.source],
  ]);
}
