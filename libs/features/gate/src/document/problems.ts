import { type PolicyProblem, RULE_KINDS } from '@sluice/domain/policy';
import type { z } from 'zod';
import { nearest } from './nearest.ts';
import { ALLOWED_KEYS } from './schema.ts';

type Issue = z.core.$ZodIssue;

const GIVEN_MAX = 60;

/** Says each fault in the words of the person who wrote the document. */
export function toProblems(issues: readonly Issue[], document: unknown): PolicyProblem[] {
  return issues.flatMap((issue) => describe(issue, document));
}

function describe(issue: Issue, document: unknown): PolicyProblem[] {
  const path = formatPath(issue.path);
  const given = valueAt(document, issue.path);
  switch (issue.code) {
    case 'unrecognized_keys': {
      const allowed = keysAt(issue.path, document);
      return issue.keys.map((key) => ({
        path: formatPath([...issue.path, key]),
        message: `unknown key${meant(key, allowed)}; allowed: ${allowed.join(', ')}`,
      }));
    }
    case 'invalid_value': {
      const allowed = issue.values.map(String);
      if (given === undefined) return [{ path, message: `is missing; allowed: ${allowed.join(', ')}` }];
      const suggestion = typeof given === 'string' ? meant(given, allowed) : '';
      return [
        { path, message: `${show(given)} is not allowed${suggestion}; allowed: ${allowed.join(', ')}` },
      ];
    }
    case 'invalid_type':
      if (given === undefined)
        return [{ path, message: `is missing; it must be ${article(issue.expected)}` }];
      return [{ path, message: `must be ${article(issue.expected)}, not ${show(given)}` }];
    case 'invalid_union': {
      if (!isUnknownKind(issue)) return [{ path, message: `${issue.message}, not ${show(given)}` }];
      if (given === undefined) return [{ path, message: `is missing; allowed: ${RULE_KINDS.join(', ')}` }];
      const suggestion = typeof given === 'string' ? meant(given, RULE_KINDS) : '';
      return [
        {
          path,
          message: `${show(given)} is not a kind of rule${suggestion}; allowed: ${RULE_KINDS.join(', ')}`,
        },
      ];
    }
    case 'invalid_format':
    case 'too_big':
    case 'too_small':
      return [{ path, message: `${issue.message}, not ${show(given)}` }];
    default:
      return [{ path, message: issue.message }];
  }
}

/** A rule whose kind is none; other unions say by themselves what they want. */
function isUnknownKind(issue: Issue): boolean {
  return 'note' in issue && issue.note === 'No matching discriminator';
}

function meant(given: string, allowed: readonly string[]): string {
  const suggestion = nearest(given, allowed);
  return suggestion === undefined ? '' : `, did you mean "${suggestion}"?`;
}

function keysAt(path: readonly PropertyKey[], document: unknown): readonly string[] {
  if (path.length === 0) return ALLOWED_KEYS.document;
  if (path.length === 1) return path[0] === 'metadata' ? ALLOWED_KEYS.metadata : ALLOWED_KEYS.spec;
  const kind = valueAt(document, [...path, 'kind']);
  const known = RULE_KINDS.find((candidate) => candidate === kind);
  return known === undefined ? [] : ALLOWED_KEYS.rule[known];
}

function formatPath(path: readonly PropertyKey[]): string {
  return path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part).slice(0, GIVEN_MAX)}`))
    .join('')
    .replace(/^\./, '');
}

function valueAt(document: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, part) =>
      typeof value === 'object' && value !== null ? (value as Record<PropertyKey, unknown>)[part] : undefined,
    document,
  );
}

function show(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a mapping';
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > GIVEN_MAX ? `${text.slice(0, GIVEN_MAX)}…` : text;
}

function article(expected: string): string {
  const words: Readonly<Record<string, string>> = {
    string: 'a text',
    int: 'a whole number',
    number: 'a number',
    array: 'a list',
    object: 'a mapping',
  };
  return words[expected] ?? expected;
}
