import { parseArgs } from 'node:util';

export interface Options {
  readonly quick: boolean;
  /** Beginnings of row ids; empty for all. */
  readonly only: readonly string[];
  readonly transports: readonly ('plain' | 'tls')[];
  readonly peers: readonly string[];
  readonly rounds: number;
  /** Sluice as one process on its embedded PostgreSQL, instead of as a process per app. */
  readonly standalone: boolean;
  /** Whether docs/benchmarks.md is written. */
  readonly write: boolean;
}

export const USAGE = `npm run bench -- [options]
  --only a,b        rows whose id begins so: manifest, blob-head, blob-get, push-large, push-images, mixed,
                    push-memory, large-commit, pages
  --transport t     plain, tls, or plain,tls (default)
  --peers p         distribution, zot, or both (default); none
  --rounds n        turns of every side (default 5; 2 with --quick)
  --standalone      Sluice in the form of npm start: one process, embedded PostgreSQL
  --quick           short turns, less data: shows the direction only
Only a whole run (no option but --rounds) writes docs/benchmarks.md.`;

/** Whether the row is to be measured. */
export function selects({ only }: Options, id: string): boolean {
  return only.length === 0 || only.some((beginning) => id.startsWith(beginning));
}

/** @throws Error that says what is allowed */
export function parseOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      transport: { type: 'string' },
      peers: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean' },
      standalone: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    console.log(USAGE);
    process.exit(0);
  }
  const quick = values.quick === true;
  const rounds = Number(values.rounds ?? (quick ? 2 : 5));
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds: a number from 1\n${USAGE}`);
  const transports = listOf(values.transport, ['plain', 'tls'] as const, '--transport');
  const peers =
    values.peers === 'none' ? [] : listOf(values.peers, ['distribution', 'zot'] as const, '--peers');
  const standalone = values.standalone === true;
  const isWhole =
    !quick &&
    !standalone &&
    [values.only, values.transport, values.peers].every((value) => value === undefined);
  return {
    quick,
    only: values.only?.split(',') ?? [],
    transports,
    peers,
    rounds,
    standalone,
    write: isWhole,
  };
}

function listOf<Name extends string>(
  text: string | undefined,
  allowed: readonly Name[],
  option: string,
): readonly Name[] {
  if (text === undefined) return allowed;
  return text.split(',').map((part) => {
    const name = allowed.find((each) => each === part);
    if (name === undefined) throw new Error(`${option}: ${allowed.join(', ')}\n${USAGE}`);
    return name;
  });
}
