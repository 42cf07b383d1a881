import type { Logger } from '@sluice/platform';

/** Called at named points of push and scan; resolves at once unless the point is the one under test. */
export type Checkpoint = (name: string) => void;

/** For fault tests: the process kills itself, as `kill -9` does, when it reaches the named point. */
export function checkpointFor(faultPoint: string | undefined, logger: Logger): Checkpoint {
  if (faultPoint === undefined) return () => {};
  logger.warn({ event: 'fault-point.armed', faultPoint }, 'This process will kill itself at a named point');
  return (name) => {
    if (name === faultPoint) process.kill(process.pid, 'SIGKILL');
  };
}
