import { StandardSchemaValidationPipe } from '@nestjs/common';
import { z } from 'zod';
import { ApiError, type FieldError } from './problem.ts';

interface Issue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** Checks every parameter that declares a schema, and names each fault by its place. */
export function createValidationPipe(): StandardSchemaValidationPipe {
  return new StandardSchemaValidationPipe({
    exceptionFactory: (issues: readonly Issue[]) => {
      const errors = issues.slice(0, 50).map(toFieldError);
      const detail = errors.map(({ pointer, message }) => `${pointer || 'body'}: ${message}`).join('; ');
      return new ApiError('validation-failed', detail.slice(0, 2_000), errors);
    },
  });
}

function toFieldError(issue: Issue): FieldError {
  const segments = (issue.path ?? []).map((segment) =>
    String(typeof segment === 'object' ? segment.key : segment),
  );
  const pointer = segments
    .map((segment) => `/${segment.replaceAll('~', '~0').replaceAll('/', '~1')}`)
    .join('');
  return { pointer, message: issue.message };
}

/** An RFC 3339 time with an offset, as a Date. */
export const timestamp = z.iso
  .datetime({ offset: true, error: 'expected an RFC 3339 time such as 2027-01-31T12:00:00Z' })
  .transform((text) => new Date(text));

/** A boolean in a query string. */
export const queryBoolean = z
  .enum(['true', 'false'], { error: 'expected true or false' })
  .transform((text) => text === 'true');

/** `a,b` in a query string: one or more of the words. */
export function commaList<const Words extends readonly string[]>(words: Words) {
  const word = z.enum(words, { error: `expected one or more of ${words.join(', ')}, separated by commas` });
  return z
    .string()
    .transform((text) => text.split(','))
    .pipe(z.array(word));
}

/** `wait` of a long poll, in seconds. */
export function waitSeconds(maximum: number) {
  const error = `expected a number of seconds from 0 to ${maximum}`;
  return z.coerce.number({ error }).min(0, error).max(maximum, error).default(0);
}

/** A word to look for. No control characters: no name has them, and PostgreSQL cannot hold U+0000. */
export function searchWord(maximum = 255) {
  return z
    .string()
    .min(1, 'expected a word')
    .max(maximum, `expected at most ${maximum} characters`)
    .regex(/^[^\p{Cc}]*$/u, 'control characters are not allowed');
}
