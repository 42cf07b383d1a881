import { type Figure, ratio, type RowResult } from './compare.ts';
import { PAGE_RATIO_MAX, type PageFigure } from './pages.ts';
import type { Goals } from './rows/row.ts';

export type TransportName = 'plain' | 'tls';

/** Whether every goal that could be measured was reached, and what was missed. */
export interface Judgement {
  readonly text: string;
  readonly isMissed: boolean;
}

export const PEERS = ['distribution', 'zot'] as const;

/** The table of one transport, as Markdown. */
export function tableOf(results: readonly RowResult[], transport: TransportName): string {
  const head = [
    'row',
    'Sluice',
    ...PEERS,
    ...PEERS.map((peer) => `x ${peer}`),
    'CPU ms (Sluice / peers)',
    'goal',
  ];
  const lines = results.map((result) => {
    const cells = [
      result.row.title,
      cellOf(result, 'Sluice'),
      ...PEERS.map((peer) => cellOf(result, peer)),
      ...PEERS.map((peer) => ratio(result, peer)?.toFixed(2) ?? ''),
      cpuOf(result),
      judge(result, transport).text,
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [`| ${head.join(' | ')} |`, `|${head.map(() => '---').join('|')}|`, ...lines].join('\n');
}

/** First and last pages of lists, as Markdown. */
export function pagesTable(figures: readonly PageFigure[]): string {
  const lines = figures.map(
    ({ name, first, last, ratio: times }) =>
      `| ${name} | ${short(first)} ms | ${short(last)} ms | ${times.toFixed(2)} | <= ${PAGE_RATIO_MAX}: ${times > PAGE_RATIO_MAX ? 'missed' : 'reached'} |`,
  );
  return [
    '100,000 tags in one repository, and 10,000 referrers of one manifest; pages of 1,000.',
    '',
    '| list | first page | last page | last / first | goal |',
    '|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}

export function judge(result: RowResult, transport: TransportName): Judgement {
  const goals: Goals = result.row.goals[transport];
  const parts: Judgement[] = [];
  const check = (goal: number | undefined, value: number | null, name: string): void => {
    if (goal === undefined || value === null) return;
    parts.push({
      text: `>= ${goal} ${name}: ${value >= goal ? 'reached' : 'missed'}`,
      isMissed: value < goal,
    });
  };
  const ratios = PEERS.map((peer) => ratio(result, peer)).filter((value) => value !== null);
  check(goals.distribution, ratio(result, 'distribution'), 'distribution');
  check(goals.zot, ratio(result, 'zot'), 'zot');
  check(goals.best, ratios.length === 0 ? null : Math.min(...ratios), 'better peer');
  const own = figureOf(result, 'Sluice')?.median;
  if (goals.below !== undefined && own !== undefined) {
    const isMissed = own >= goals.below;
    parts.push({ text: `< ${goals.below}: ${isMissed ? 'missed' : 'reached'}`, isMissed });
  }
  return { text: parts.map(({ text }) => text).join('; '), isMissed: parts.some(({ isMissed }) => isMissed) };
}

function cellOf(result: RowResult, registry: string): string {
  const figure = figureOf(result, registry);
  if (figure === undefined) return '';
  const { median, lowest, highest } = figure;
  const spread = lowest === highest ? '' : ` (${short(lowest)}-${short(highest)})`;
  return `${short(median)} ${result.row.unit}${spread}`;
}

function cpuOf(result: RowResult): string {
  const { operation } = result.row;
  if (operation === null) return '';
  const figures = ['Sluice', ...PEERS].map((name) => figureOf(result, name)?.cpuMs ?? null);
  return `${figures.map((value) => (value === null ? '-' : value.toFixed(3))).join(' / ')} per ${operation}`;
}

function figureOf(result: RowResult, registry: string): Figure | undefined {
  return result.figures.find((figure) => figure.registry === registry);
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
