import { describe, expect, it } from 'vitest';
import { normaliseArguments } from './normalise-arguments.ts';

describe('a bare --wait', () => {
  it.each([
    [
      ['verdict', '--wait', 'team/app:1'],
      ['verdict', '--wait=10m', 'team/app:1'],
    ],
    [
      ['verdict', 'team/app:1', '--wait'],
      ['verdict', 'team/app:1', '--wait=10m'],
    ],
    [
      ['verdict', '--wait', '5m', 'team/app:1'],
      ['verdict', '--wait=5m', 'team/app:1'],
    ],
    [
      ['verdict', '--wait=30s', 'x'],
      ['verdict', '--wait=30s', 'x'],
    ],
    [
      ['verdict', '--', '--wait'],
      ['verdict', '--', '--wait'],
    ],
  ])('%j means %j', (given, expected) => {
    expect(normaliseArguments(given)).toEqual(expected);
  });
});
