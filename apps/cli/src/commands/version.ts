import type { CommandContext } from '../context.ts';
import { cliVersion } from '../version.ts';

export async function showVersion(context: CommandContext): Promise<void> {
  const data = { version: cliVersion(), node: process.versions.node };
  await context.output.item(data, [
    ['sluice', data.version],
    ['node', data.node],
  ]);
}
