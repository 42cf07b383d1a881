import type { ChildProcess } from 'node:child_process';

const adopted = new Set<ChildProcess>();

function killAll(): void {
  for (const child of adopted) child.kill('SIGKILL');
}

process.once('exit', killAll);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  const end = (): void => {
    // Whoever listens as well decides how this process ends, and ends the children in their order.
    if (process.listenerCount(signal) > 1) return;
    process.removeListener(signal, end);
    killAll();
    process.kill(process.pid, signal);
  };
  process.on(signal, end);
}

/**
 * Has a server, started `detached` so that Ctrl-C in a terminal does not reach it before those that use it have ended,
 * end with this process at the latest.
 */
export function adopt(child: ChildProcess): void {
  adopted.add(child);
  child.once('exit', () => adopted.delete(child));
}
