import { CliError } from '../cli-error.ts';
import { EXIT, type ExitCode } from '../exit-codes.ts';

/** RFC 9457, with the members that Sluice adds. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly code?: string;
  readonly requestId?: string;
  readonly hint?: string;
  readonly errors?: readonly { readonly pointer?: string; readonly message: string }[];
}

/** An answer of the server that says no. */
export class ProblemError extends CliError {
  readonly problem: Problem;

  constructor(problem: Problem, options: { hint?: string } = {}) {
    const hint = options.hint ?? problem.hint ?? hintFor(problem.status);
    super(exitCodeFor(problem.status), messageOf(problem), hint === undefined ? {} : { hint });
    this.name = 'ProblemError';
    this.problem = problem;
  }
}

/** Which exit code an HTTP status means. */
export function exitCodeFor(status: number): ExitCode {
  switch (status) {
    case 401:
      return EXIT.unauthenticated;
    case 403:
      return EXIT.forbidden;
    case 404:
    case 410:
      return EXIT.notFound;
    case 409:
    case 412:
    case 428:
      return EXIT.conflict;
    case 408:
    case 429:
    case 502:
    case 503:
    case 504:
      return EXIT.unreachable;
    default:
      return status >= 400 && status < 500 ? EXIT.usage : EXIT.internal;
  }
}

function messageOf(problem: Problem): string {
  const head = problem.detail ?? problem.title;
  const details = (problem.errors ?? []).map((error) =>
    error.pointer === undefined || error.pointer === ''
      ? error.message
      : `${error.pointer}: ${error.message}`,
  );
  // A single fault is often the detail itself.
  if (details.length === 0 || (details.length === 1 && head.includes(details[0] ?? ''))) return head;
  return [head, ...details.map((detail) => `  ${detail}`)].join('\n');
}

function hintFor(status: number): string | undefined {
  if (status === 401) return 'log in with `sluice login`, or set SLUICE_TOKEN';
  return undefined;
}
