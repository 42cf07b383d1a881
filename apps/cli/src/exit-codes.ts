/** What the exit code of `sluice` means. Scripts rely on these numbers; docs/cli.md lists them. */
export const EXIT = {
  green: 0,
  internal: 1,
  usage: 2,
  red: 3,
  amber: 4,
  pending: 5,
  notFound: 6,
  unauthenticated: 7,
  forbidden: 8,
  verificationFailed: 9,
  conflict: 10,
  unreachable: 11,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
