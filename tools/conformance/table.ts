import { type Entry, type EntryState, type SuiteResult } from './results.ts';

const MARK: Record<EntryState, string> = { pass: 'Pass', skip: 'Skip', fail: 'FAIL', disabled: 'n/a' };

/** One line an API or kind of data, one column a run; below them the counts of each run. */
export function renderTable(results: readonly SuiteResult[]): string {
  const heads = results.map(({ suite, target }) => [suite, target]);
  const names = (kind: Entry['kind']): string[] => [
    ...new Set(results.flatMap(({ entries }) => entries.filter((e) => e.kind === kind).map((e) => e.name))),
  ];
  const row = (kind: Entry['kind'], name: string): string[] => [
    name,
    ...results.map(({ entries }) => {
      const entry = entries.find((each) => each.kind === kind && each.name === name);
      return entry === undefined ? '' : MARK[entry.state];
    }),
  ];
  const counts = (kind: Entry['kind']): string[] => [
    'pass/skip/fail/excused',
    ...results.map(({ entries, excused }) => {
      const all = entries.filter((entry) => entry.kind === kind);
      const of = (state: EntryState): Entry[] => all.filter((entry) => entry.state === state);
      const left = [...of('skip'), ...of('disabled')];
      const fine = left.filter(({ name }) => excused.has(name)).length;
      return all.length === 0
        ? ''
        : `${of('pass').length}/${left.length - fine}/${of('fail').length}/${fine}`;
    }),
  ];
  return columns([
    ['suite', ...heads.map(([suite]) => suite ?? '')],
    ['target', ...heads.map(([, target]) => target ?? '')],
    ['APIs'],
    ...names('api').map((name) => row('api', name)),
    counts('api'),
    ['Data'],
    ...names('data').map((name) => row('data', name)),
    counts('data'),
    ['Tests'],
    counts('test'),
  ]);
}

function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows.reduce<number[]>((most, row) => {
    row.forEach((cell, at) => (most[at] = Math.max(most[at] ?? 0, cell.length)));
    return most;
  }, []);
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
