/**
 * One repository with 100,000 tags and 10,000 referrers of one manifest: whether its last pages are as fast as its first
 * ones, and the last tag is removed as fast as the first. `node tools/run.mjs tools/bench/pages.ts` runs it alone.
 */
import { pathToFileURL } from 'node:url';
import { buildImage, buildLayer } from '@sluice/testing';
import { pushBlob, pushManifest } from '../lib/oci-push.ts';
import { runSql } from '../system/platform-sql.ts';
import { ADMIN_PASSWORD, basic, Platform } from '../system/platform.ts';

/** Milliseconds (median) that an answer takes at the begin and at the end of a list. */
export interface PageFigure {
  readonly name: string;
  readonly first: number;
  readonly last: number;
  /** last / first */
  readonly ratio: number;
}

export interface PageBenchOptions {
  readonly tags?: number;
  readonly referrers?: number;
  /** Requests for each figure. */
  readonly rounds?: number;
}

/** Goal for every {@link PageFigure.ratio}. */
export const PAGE_RATIO_MAX = 1.5;

const REPOSITORY = 'bench/pages';
const PAGE = 1_000;
const TYPES = ['application/vnd.example.sbom', 'application/vnd.example.signature'];

/** Starts a platform of its own, fills it, measures, and removes it. */
export async function benchPages(options: PageBenchOptions = {}): Promise<PageFigure[]> {
  const { tags = 100_000, referrers = 10_000, rounds = 60 } = options;
  const platform = await Platform.start();
  try {
    const subject = await fill(platform, tags, referrers);
    const ask = asker(platform);
    const measure = (name: string, first: string, last: string): Promise<PageFigure> =>
      compare(name, rounds, [() => ask('GET', first, 200), () => ask('GET', last, 200)]);
    const tagList = `/v2/${REPOSITORY}/tags/list?n=${PAGE}`;
    const referrerList = `/v2/${REPOSITORY}/referrers/${subject}?n=${PAGE}`;
    const figures = [
      await measure('tags', tagList, `${tagList}&last=${tagName(tags - PAGE)}`),
      await measure(
        'referrers',
        referrerList,
        `${referrerList}&last=${await referrerBefore(platform, PAGE, null)}`,
      ),
    ];
    for (const type of TYPES.slice(0, 1)) {
      const filtered = `${referrerList}&artifactType=${encodeURIComponent(type)}`;
      const before = await referrerBefore(platform, PAGE, type);
      figures.push(await measure('referrers of one type', filtered, `${filtered}&last=${before}`));
    }
    let removed = 0;
    figures.push(
      await compare('DELETE of a tag', rounds, [
        () => ask('DELETE', `/v2/${REPOSITORY}/manifests/${tagName((removed += 1))}`, 202),
        () => ask('DELETE', `/v2/${REPOSITORY}/manifests/${tagName(tags + 1 - removed)}`, 202),
      ]),
    );
    return figures;
  } finally {
    await platform.remove();
  }
}

const tagName = (number: number): string => `v${String(number).padStart(7, '0')}`;

/** Pushes one image, and writes all else as the registry would have, in two statements. Returns the image's digest. */
async function fill(platform: Platform, tags: number, referrers: number): Promise<string> {
  await platform.api('POST', '/projects', { path: 'bench', visibility: 'private' }, { expect: 201 });
  const image = buildImage([await buildLayer([{ path: 'hello', content: 'hello' }])]);
  const target = {
    url: platform.url,
    repository: REPOSITORY,
    authorization: basic('admin', ADMIN_PASSWORD),
  };
  for (const blob of [...image.layers, image.config]) await pushBlob(target, blob);
  await pushManifest(target, image.manifest, 'latest');
  await runSql(
    platform,
    `INSERT INTO tag (repository_id, name, manifest_id)
     SELECT m.repository_id, 'v' || lpad(number::text, 7, '0'), m.id
     FROM manifest m, generate_series(1, $2) number WHERE m.digest = $1`,
    [image.manifest.digest, tags],
  );
  await runSql(
    platform,
    `WITH made AS (
       INSERT INTO manifest (id, repository_id, digest, media_type, artifact_type, subject_digest, kind, size, content,
         annotations)
       SELECT gen_random_uuid(), m.repository_id, 'sha256:' || encode(sha256(c.content), 'hex'),
         'application/vnd.oci.image.manifest.v1+json', ($3::text[])[1 + number % 2], m.digest, 'artifact',
         length(c.content), c.content, jsonb_build_object('org.example.number', number::text)
       FROM manifest m, generate_series(1, $2) number,
         LATERAL (SELECT convert_to(repeat('x', 600) || number, 'UTF8') AS content) c
       WHERE m.digest = $1 RETURNING id)
     INSERT INTO verdict (manifest_id, id, state) SELECT id, gen_random_uuid(), 'green' FROM made`,
    [image.manifest.digest, referrers, TYPES],
  );
  return image.manifest.digest;
}

/** The referrer behind which the last page begins. */
async function referrerBefore(platform: Platform, page: number, type: string | null): Promise<string> {
  const [row] = await runSql<{ digest: string }>(
    platform,
    `SELECT digest FROM manifest WHERE subject_digest IS NOT NULL AND ($2::text IS NULL OR artifact_type = $2)
     ORDER BY digest DESC OFFSET $1 LIMIT 1`,
    [page, type],
  );
  return row?.digest ?? '';
}

function asker(platform: Platform): (method: string, path: string, expected: number) => Promise<void> {
  const headers = { authorization: basic('admin', ADMIN_PASSWORD) };
  return async (method, path, expected) => {
    const answer = await fetch(`${platform.url}${path}`, { method, headers });
    const body = await answer.arrayBuffer();
    if (answer.status !== expected) {
      throw new Error(`${method} ${path}: ${answer.status} ${Buffer.from(body).toString().slice(0, 300)}`);
    }
  };
}

/** Takes turns, so that whatever else the machine does falls on both. */
async function compare(
  name: string,
  rounds: number,
  [first, last]: readonly [() => Promise<void>, () => Promise<void>],
): Promise<PageFigure> {
  const times: [number[], number[]] = [[], []];
  for (let round = -5; round < rounds; round += 1) {
    for (const [at, ask] of [first, last].entries()) {
      const startedAt = performance.now();
      await ask();
      if (round >= 0) times[at]?.push(performance.now() - startedAt);
    }
  }
  const [begin, end] = times.map(median) as [number, number];
  return { name, first: begin, last: end, ratio: end / begin };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const figures = await benchPages();
  for (const { name, first, last, ratio } of figures) {
    console.log(
      `${name.padEnd(24)} first ${first.toFixed(2)} ms  last ${last.toFixed(2)} ms  ratio ${ratio.toFixed(2)}`,
    );
  }
  const worst = Math.max(...figures.map(({ ratio }) => ratio));
  if (!(worst <= PAGE_RATIO_MAX)) process.exitCode = 1;
  console.log(`bench pages: worst ratio ${worst.toFixed(2)} of at most ${PAGE_RATIO_MAX}`);
}
