/**
 * Runs every version-ordering fact and CVSS vector of a data directory against the domain's functions.
 *
 *   node --conditions=@sluice/source tools/vectors/run.ts [directory]
 *
 * The directory (default ../shared/data) has `versions/` and `cvss/`; without it there is nothing to check and the
 * run says so. Exits with 1 when a single fact is not met.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { APK, cvssBaseScore, DPKG, PEP440, SEMVER, type VersionOrdering } from '@sluice/domain/vulnerability';

interface Tally {
  facts: number;
  met: number;
  excepted: number;
  readonly failures: string[];
}

type Check = (directory: string) => Tally;

const SHOWN = 10;

/** The exceptions, by rule. Everything else must be met. */
const EXCEPTIONS = [
  'apk: texts that are no version by the grammar of apk-tools; its releases order them differently',
  'apk: validity of a letter with digits behind it (0.1a1), which apk-tools 2 took and packages had',
  'apk: facts about the fuzzy operator "~" of dependencies, which no advisory uses',
];

const CHECKS: readonly (readonly [string, Check])[] = [
  [
    'dpkg',
    (root) =>
      orderFacts(root, DPKG, ['scalibr/debian-versions.txt', 'scalibr/debian-versions-generated.txt']),
  ],
  [
    'apk',
    (root) =>
      orderFacts(root, APK, [
        'scalibr/alpine-versions.txt',
        'scalibr/alpine-versions-generated.txt',
        'apk-tools/version-facts.txt',
      ]),
  ],
  ['apk vers-spec', (root) => versSpec(root, APK, 'vers-spec/alpine_version_cmp_test.json')],
  ['apk validity', validityFacts],
  ['semver', (root) => orderFacts(root, SEMVER, ['scalibr/semver-versions.txt'])],
  [
    'pep440',
    (root) => orderFacts(root, PEP440, ['scalibr/pypi-versions.txt', 'scalibr/pypi-versions-generated.txt']),
  ],
  ['cvss', cvssFacts],
];

function main(root: string): void {
  if (!existsSync(join(root, 'versions'))) {
    console.log(`vectors: no data at ${root}, nothing was checked`);
    return;
  }
  let [facts, met, excepted] = [0, 0, 0];
  for (const [name, check] of CHECKS) {
    const tally = check(root);
    console.log(`${name}: ${tally.met} of ${tally.facts} facts met, ${tally.excepted} excepted`);
    for (const failure of tally.failures.slice(0, SHOWN)) console.error(`  not met: ${failure}`);
    facts += tally.facts;
    met += tally.met;
    excepted += tally.excepted;
  }
  console.log(`exceptions:\n${EXCEPTIONS.map((rule) => `  - ${rule}`).join('\n')}`);
  console.log(`vectors: ${met} of ${facts} facts met, ${excepted} excepted by rule, ${facts - met} not met`);
  process.exitCode = met === facts ? 0 : 1;
}

function orderFacts(root: string, ordering: VersionOrdering, files: readonly string[]): Tally {
  const tally = newTally();
  for (const line of files.flatMap((file) => linesOf(join(root, 'versions', file)))) {
    const match = /^(\S+) ([<=>]) (\S+)$/.exec(line);
    const [, left = '', sign = '', right = ''] = match ?? [];
    if (match === null || line.startsWith('#') || line.startsWith('//')) continue;
    const isValid = ordering.isVersion(left) && ordering.isVersion(right);
    const wanted = sign === '<' ? -1 : sign === '>' ? 1 : 0;
    const isMet = ordering.compare(left, right) === wanted && ordering.compare(right, left) === 0 - wanted;
    if (!isMet && ordering === APK && !isValid) tally.excepted += 1;
    else count(tally, isMet, line);
  }
  return tally;
}

function versSpec(root: string, ordering: VersionOrdering, file: string): Tally {
  const tally = newTally();
  const document = JSON.parse(readFileSync(join(root, 'versions', file), 'utf8')) as {
    tests: { test_type: string; input: { versions: [string, string] }; expected_output: unknown }[];
  };
  for (const { test_type: type, input, expected_output: expected } of document.tests) {
    const [left, right] = input.versions;
    const result =
      type === 'equality'
        ? ordering.compare(left, right) === 0
        : [left, right].toSorted((a, b) => ordering.compare(a, b));
    count(tally, JSON.stringify(result) === JSON.stringify(expected), `${type} ${left} ${right}`);
  }
  return tally;
}

function validityFacts(root: string): Tally {
  const tally = newTally();
  for (const line of linesOf(join(root, 'versions', 'apk-tools/version-facts.txt'))) {
    if (line.includes(' ')) continue;
    const isInvalid = line.startsWith('!');
    const version = isInvalid ? line.slice(1) : line;
    if (/[a-z]\d/.test(version.replace(/_[a-z]+\d*|~[0-9a-f]*|-r\d*/g, ''))) tally.excepted += 1;
    else count(tally, APK.isVersion(version) === !isInvalid, line);
  }
  return tally;
}

/** Base scores only: what the environment makes of them is nobody's advisory. */
function cvssFacts(root: string): Tally {
  const tally = newTally();
  const sources = [
    { file: 'cvss-2.0-validation-vectors-001.txt', prefix: '', column: 2 },
    { file: 'cvss-3.0-validation-vectors-001.txt', prefix: 'CVSS:3.0/', column: 1 },
    { file: 'cvss-3.0-validation-vectors-002.txt', prefix: 'CVSS:3.0/', column: 1 },
    { file: 'cvss-3.1-validation-vectors-001.txt', prefix: '', column: 2 },
    { file: 'cvss-4.0-validation-vectors-001.txt', prefix: '', column: 2 },
    { file: 'cvss-4.0-validation-vectors-002.txt', prefix: '', column: 2 },
  ];
  for (const { file, prefix, column } of sources) {
    for (const line of linesOf(join(root, 'cvss', file))) {
      if (line.startsWith('#')) continue;
      const columns = line.split(/\s+/);
      const vector = `${prefix}${columns[0] ?? ''}`;
      // Only base metrics: a score of 4.0 with others is not a base score.
      if (vector.startsWith('CVSS:4.0/') && /\/(?:E|CR|IR|AR|M[A-Z]{1,2}):[^X]/.test(vector)) continue;
      count(tally, cvssBaseScore(vector) === Number(columns[column]), line);
    }
  }
  return tally;
}

function newTally(): Tally {
  return { facts: 0, met: 0, excepted: 0, failures: [] };
}

function count(tally: Tally, isMet: boolean, fact: string): void {
  tally.facts += 1;
  if (isMet) tally.met += 1;
  else tally.failures.push(fact);
}

function linesOf(path: string): string[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}

main(process.argv[2] ?? join(import.meta.dirname, '..', '..', '..', 'shared', 'data'));
