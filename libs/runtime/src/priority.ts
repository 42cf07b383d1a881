import { readFileSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';

/**
 * Leaves a busy processor to other processes; on an idle machine nothing changes. Some systems do not let a process say
 * so: the work is done all the same.
 *
 * @param nice 0 (as everybody) to 19
 */
export function yieldToOthers(nice: number): void {
  attempt(() => setPriority(nice));
  // Linux weighs processes against those of their own session only, and then whole sessions: sched(7), "autogroup".
  attempt(() => {
    if (sessionOf(readFileSync('/proc/self/stat', 'utf8')) === process.pid) {
      writeFileSync('/proc/self/autogroup', String(nice));
    }
  });
}

/** Behind the name, which may hold anything: state, parent, process group, session (proc(5)). */
function sessionOf(stat: string): number {
  const [, , , session] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(session);
}

function attempt(say: () => void): void {
  try {
    say();
  } catch {
    return;
  }
}
