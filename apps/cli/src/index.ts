export { EXIT, type ExitCode } from './exit-codes.ts';
export type { Terminal } from './io/terminal.ts';
export { run } from './run.ts';
