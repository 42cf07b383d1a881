import { describe, expect, it } from 'vitest';
import { prefersText } from './accept.ts';

describe('choosing between JSON and text', () => {
  it.each([
    [undefined, false],
    ['*/*', false],
    ['application/json', false],
    ['text/plain', true],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', true],
    ['text/plain;q=0.5, application/json', false],
    ['text/plain, application/json;q=0.9', true],
    ['text/plain;q=0', false],
    ['text/plain;q=x', false],
  ])('Accept: %s gives text: %s', (accept, expected) => {
    expect(prefersText(accept)).toBe(expected);
  });
});
