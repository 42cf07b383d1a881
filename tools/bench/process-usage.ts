import { readdirSync, readFileSync } from 'node:fs';

/** Linux counts CPU time in hundredths of a second whatever the kernel's own clock. */
const TICKS_PER_SECOND = 100;

/** User and system CPU seconds of the processes and everything below them, ended children that were waited for included. */
export function cpuSeconds(roots: readonly number[]): number {
  let ticks = 0;
  for (const fields of treeOf(roots)) {
    for (const field of [11, 12, 13, 14]) ticks += Number(fields[field] ?? 0);
  }
  return ticks / TICKS_PER_SECOND;
}

/** Resident memory of each process in MB. */
export function residentMegabytes(pids: readonly number[]): number[] {
  return pids.map((pid) => {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1_024;
  });
}

/** Fields of /proc/PID/stat behind the name: state is 0, parent 1, utime 11. */
function treeOf(roots: readonly number[]): string[][] {
  const all = new Map<number, string[]>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const fields = statOf(name);
    if (fields !== null) all.set(Number(name), fields);
  }
  const found = new Map<number, string[]>();
  const visit = (pid: number): void => {
    const fields = all.get(pid);
    if (fields === undefined || found.has(pid)) return;
    found.set(pid, fields);
    for (const [child, [, parent]] of all) if (Number(parent) === pid) visit(child);
  };
  for (const root of roots) visit(root);
  return [...found.values()];
}

function statOf(pid: string): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    // It has ended in the meantime.
    return null;
  }
}
