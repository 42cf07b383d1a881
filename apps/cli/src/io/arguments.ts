import { InvalidArgumentError } from 'commander';
import { parseDuration } from './duration.ts';

/** Reads the value of an option that says when something ends. */
export function time(text: string): number {
  const seconds = parseDuration(text);
  if (seconds === undefined || seconds === 0) {
    throw new InvalidArgumentError('Expected a time such as 12h or 90d.');
  }
  return seconds;
}

/** Collects the values of an option that may be given several times. */
export function several(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}
