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
    'pass/skip/fail',
    ...results.map((result) => {
      const of = (state: EntryState): number =>
        result.entries.filter((entry) => entry.kind === kind && entry.state === state).length;
      return result.entries.some((entry) => entry.kind === kind)
        ? `${of('pass')}/${of('skip') + of('disabled')}/${of('fail')}`
        : '';
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
