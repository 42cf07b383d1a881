import { execFileSync } from 'node:child_process';
import { cpus, totalmem } from 'node:os';
import type { OwnCost } from './driver/own-cost.ts';
import type { Options } from './options.ts';
import { COMPILING_TURNS } from './rows/row.ts';

/** Under which conditions the figures hold, as Markdown lines. */
export function conditionsOf(options: Options, ownCost: OwnCost, hasZot: boolean): string[] {
  const [cpu] = cpus();
  return [
    `- ${cpus().length} cores (${cpu?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB, ${fileSystem()}, Node ${process.versions.node}. Registry, database and load driver share the machine: ratios say something, absolute figures do not.`,
    `- The same load for all, over kept connections of HTTP/1.1 in one thread: by wrk for the GETs of manifests, by a driver of ours (tools/bench/driver) for everything else. A small request costs wrk ${ownCost.wrk.toFixed(0)} us of CPU time and the driver ${ownCost.driver.toFixed(0)}, which lowers every ratio above 1.`,
    '- CPU time is that of all processes of a side, the database, scans and checks of signatures included, for one operation.',
    `- Median of ${options.rounds} rounds in which the sides take turns, after a warm-up (small requests and small images: ${COMPILING_TURNS}); the spread stands in brackets. A ratio is the median of those of the rounds.`,
    '- All check an ES256 Bearer token on every request. Sluice also asks the gate on every read, and inventories, scans and judges what is pushed: its scanner takes what the processors have left, so much of that comes after the last push. Nobody is measured before it is done, and its CPU time counts.',
    `- Sluice: ${options.standalone ? 'one process on its embedded PostgreSQL' : 'two processes of the registry that share a port, one each of api, scanner and signer, PostgreSQL with its defaults'}; rate limits off. Blobs are synced (fdatasync, and the directories) before the answer, rows committed with synchronous_commit on, except that of an upload without a byte.`,
    '- distribution v3.1.1: filesystem driver, in-memory descriptor cache. It syncs blob data, tag and link files (fsync) before the answer, but not the directory that a blob is moved into.',
    hasZot
      ? '- zot v2.1.20: built without extensions, `commit: true`, so that it syncs as well (its default is not to).'
      : '- zot v2.1.20 is missing: its module cannot be fetched from the Go module proxy in use here, and neither `SLUICE_BENCH_ZOT` nor ~/.cache/sluice-tools/bin/zot names a binary.',
    '- Over TLS: 1.3, AES-128-GCM or what the server prefers, one ECDSA P-256 certificate for all.',
  ];
}

function fileSystem(): string {
  try {
    return execFileSync('stat', ['-f', '-c', '%T', process.env['TMPDIR'] ?? '/tmp'], {
      encoding: 'utf8',
    }).trim();
  } catch {
    return 'unknown file system';
  }
}
