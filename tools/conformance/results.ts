/** What became of one entry of a suite: an API, a kind of data, or a single test. */
export type EntryState = 'pass' | 'skip' | 'fail' | 'disabled';

export interface Entry {
  readonly kind: 'api' | 'data' | 'test';
  readonly name: string;
  readonly state: EntryState;
}

/** What one suite said of one registry. */
export interface SuiteResult {
  readonly suite: string;
  readonly target: string;
  readonly entries: readonly Entry[];
  /** Entries that need not pass, each with the reason. */
  readonly excused: ReadonlyMap<string, string>;
  /** What the suite printed, for whoever must find out why something failed. */
  readonly output: string;
}

/**
 * Reads the `results.yaml` of the suite: two flat maps, `apis` and `data`, from a name to a state.
 *
 * @throws Error when one of them is missing or a state is unknown
 */
export function parseResults(yaml: string): Entry[] {
  return [...section(yaml, 'apis', 'api'), ...section(yaml, 'data', 'data')];
}

function section(yaml: string, key: string, kind: Entry['kind']): Entry[] {
  const lines = yaml.split('\n');
  const start = lines.indexOf(`${key}:`);
  const entries: Entry[] = [];
  for (const line of start < 0 ? [] : lines.slice(start + 1)) {
    const match = /^ {2}"?([^":]+)"?:\s*"?(\w+)"?\s*$/.exec(line);
    if (match === null) break;
    entries.push({ kind, name: match[1] ?? '', state: stateOf(match[2] ?? '') });
  }
  if (entries.length === 0) throw new Error(`the report of the suite holds no ${key}`);
  return entries;
}

function stateOf(text: string): EntryState {
  switch (text.toLowerCase()) {
    case 'pass':
      return 'pass';
    case 'skip':
      return 'skip';
    case 'disabled':
      return 'disabled';
    // Also what was never run: it has not passed.
    default:
      return 'fail';
  }
}

/** Entries that have not passed although nothing excuses them. */
export function shortfalls({ entries, excused }: Pick<SuiteResult, 'entries' | 'excused'>): Entry[] {
  return entries.filter(({ name, state }) => state !== 'pass' && !(state !== 'fail' && excused.has(name)));
}
