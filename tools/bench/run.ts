/**
 * `npm run bench`: Sluice beside CNCF distribution and zot on this machine, in one run, as ratios. With `--help` it says
 * what can be chosen; a whole run also writes docs/benchmarks.md.
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCertificate } from '../lib/certificate.ts';
import { installTools } from '../system/install.ts';
import { ROOT } from '../system/paths.ts';
import { compare, ratio, type RowResult } from './compare.ts';
import { conditionsOf } from './conditions.ts';
import { Driver } from './driver/driver.ts';
import { ownCostOf } from './driver/own-cost.ts';
import { type Options, parseOptions, selects } from './options.ts';
import { benchPages, PAGE_RATIO_MAX, type PageFigure } from './pages.ts';
import { DISTRIBUTION } from './registries/distribution.ts';
import { Peer } from './registries/peer.ts';
import type { Registry, Transport } from './registries/registry.ts';
import { SluiceProcesses } from './registries/sluice-processes.ts';
import { SluiceStandalone } from './registries/sluice-standalone.ts';
import { zot } from './registries/zot.ts';
import { judge, pagesTable, PEERS, tableOf, type TransportName } from './report.ts';
import { PUSHES } from './rows/pushes.ts';
import { READS } from './rows/reads.ts';
import type { Bench, Row } from './rows/row.ts';
import { buildSeed, plant, type Seed } from './seed.ts';

async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  const rows = [...READS, ...PUSHES].filter(({ id }) => selects(options, id));
  const hasPages = selects(options, 'pages');
  if (rows.length === 0 && !hasPages)
    throw new Error(`--only ${options.only.join(',')}: no row has such an id`);
  const tools = [
    ['wrk'],
    options.standalone ? [] : ['postgresql-15'],
    options.peers.includes('distribution') ? ['registry'] : [],
  ];
  await installTools(tools.flat());
  const zotWhy = options.peers.includes('zot') && zot() === undefined ? await installZot() : null;

  const driver = new Driver();
  try {
    const ownCost = await ownCostOf(driver);
    console.log(
      `a small request costs the driver itself ${ownCost.driver.toFixed(1)} us of CPU time, wrk ${ownCost.wrk.toFixed(1)}`,
    );
    const seed = await buildSeed();
    const results = new Map<TransportName, RowResult[]>();
    for (const transport of rows.length === 0 ? [] : options.transports) {
      results.set(transport, await measureAll(transport, rows, options, driver, seed));
    }
    const pages = hasPages ? await measurePages(options) : [];
    const text = [
      ...conditionsOf(options, ownCost, zotWhy === null),
      '',
      ...[...results].flatMap(([transport, each]) => [
        `## ${transport === 'tls' ? 'TLS' : 'Plain HTTP'}`,
        '',
        tableOf(each, transport),
        '',
      ]),
      ...(pages.length === 0 ? [] : ['## Long lists', '', pagesTable(pages), '']),
    ].join('\n');
    console.log(`\n${text}`);
    if (options.write) writeFileSync(join(ROOT, 'docs', 'benchmarks.md'), `${PREAMBLE}\n${text}`);
    summarise(results, pages);
  } finally {
    await driver.close();
  }
}

const PREAMBLE = `# Benchmarks

Written by \`npm run bench\` (see \`npm run bench -- --help\`); nothing here is edited by hand. In the columns \`x …\` more is
better for Sluice, whatever the unit of the row.
`;

/** The peers come from the Go module proxy; not every proxy hands out zot. Resolves with why it is missing. */
async function installZot(): Promise<string | null> {
  try {
    await installTools(['zot']);
    return null;
  } catch (error) {
    const reason = String(error).split('\n').slice(-3).join(' ').slice(0, 300);
    console.log(`zot is left out: it cannot be built here (${reason}); SLUICE_BENCH_ZOT may name a binary`);
    return reason;
  }
}

async function measureAll(
  name: TransportName,
  rows: readonly Row[],
  options: Options,
  driver: Driver,
  seed: Seed,
): Promise<RowResult[]> {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-bench-'));
  try {
    const transport: Transport = { tls: name === 'tls' ? await createCertificate(directory) : null };
    const starters = startersOf(options, transport);
    const bench: Bench = { driver, seed, quick: options.quick, fresh: () => randomBytes(6).toString('hex') };
    const results: RowResult[] = [];
    const keep = (result: RowResult): void => {
      results.push(result);
      console.log(lineOf(result, name));
    };
    const short = rows.filter(({ isLong }) => isLong !== true);
    if (short.length > 0) await measureTogether(short, starters, bench, options.rounds, keep);
    if (name === 'plain') {
      for (const row of rows.filter(({ isLong }) => isLong)) keep(await measureApart(row, starters, bench));
    }
    return results;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

type Starter = () => Promise<Registry>;

function startersOf(options: Options, transport: Transport): Starter[] {
  const programs = [DISTRIBUTION, zot()].filter((program) => program !== undefined);
  return [
    () => (options.standalone ? SluiceStandalone : SluiceProcesses).start(transport),
    ...programs
      .filter((program) => options.peers.includes(program.name))
      .map((program) => () => Peer.start(program, transport)),
  ];
}

/** All registries run at once and are idle unless it is their turn. */
async function measureTogether(
  rows: readonly Row[],
  starters: readonly Starter[],
  bench: Bench,
  rounds: number,
  keep: (result: RowResult) => void,
): Promise<void> {
  const started: Registry[] = [];
  try {
    for (const start of starters) started.push(await start());
    for (const registry of started) await plant(bench.seed, registry);
    for (const row of rows) keep(await compare(row, bench, started, rounds));
  } finally {
    for (const registry of started) await registry.stop();
  }
}

/** What fills the disk is measured on one registry after the other, and removed in between. */
async function measureApart(row: Row, starters: readonly Starter[], bench: Bench): Promise<RowResult> {
  const figures: RowResult['figures'][number][] = [];
  for (const start of starters) {
    const registry = await start();
    try {
      if (!row.isForPeers && registry.name !== 'Sluice') continue;
      await registry.prepare();
      figures.push(...(await compare(row, bench, [registry], 1)).figures);
    } finally {
      await registry.stop();
    }
  }
  return { row, figures };
}

function lineOf(result: RowResult, transport: TransportName): string {
  const figures = result.figures.map(
    ({ registry, median, lowest, highest, cpuMs }) =>
      `${registry} ${median.toFixed(2)} (${lowest.toFixed(2)}-${highest.toFixed(2)}${
        cpuMs === null ? '' : `, ${cpuMs.toFixed(3)} ms CPU`
      })`,
  );
  const ratios = PEERS.map((peer) => [peer, ratio(result, peer)] as const)
    .filter(([, value]) => value !== null)
    .map(([peer, value]) => `${value?.toFixed(2)}x ${peer}`);
  const { row } = result;
  return `${transport} ${row.title} [${row.unit}]: ${figures.join(', ')}: ${ratios.join(', ')} ${judge(result, transport).text}`;
}

/** The last page of a long list beside its first, of Sluice alone. */
async function measurePages({ quick }: Options): Promise<PageFigure[]> {
  const figures = await benchPages(quick ? { tags: 10_000, referrers: 1_000, rounds: 20 } : {});
  for (const { name, first, last, ratio: times } of figures) {
    console.log(
      `pages of ${name} [ms]: first ${first.toFixed(2)}, last ${last.toFixed(2)}: ${times.toFixed(2)}x`,
    );
  }
  return figures;
}

function summarise(
  results: ReadonlyMap<TransportName, readonly RowResult[]>,
  pages: readonly PageFigure[],
): void {
  const judged = [...results].flatMap(([transport, each]) =>
    each.map((result) => ({ transport, result, judgement: judge(result, transport) })),
  );
  const withGoal = judged.filter(({ judgement }) => judgement.text !== '');
  const missed = [
    ...withGoal
      .filter(({ judgement }) => judgement.isMissed)
      .map(({ transport, result }) => `${transport} ${result.row.id}`),
    ...pages.filter(({ ratio: times }) => times > PAGE_RATIO_MAX).map(({ name }) => `pages of ${name}`),
  ];
  const goals = withGoal.length + pages.length;
  const names = missed.length === 0 ? '' : `; missed: ${missed.join(', ')}`;
  console.log(`bench: ${goals - missed.length} of ${goals} goals reached${names}`);
  if (missed.length > 0) process.exitCode = 1;
}

// Servers that were started end with this process, but only if it ends in its own way.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
await main();
